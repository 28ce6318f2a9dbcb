"""Finding that a lock still fits is on the path of every build: it must load nothing heavy."""

from __future__ import annotations

import subprocess
import sys


def test_checking_a_lock_loads_neither_solver_nor_network() -> None:
    program = (
        "import sys\n"
        "import dockyard.packages.locking, dockyard.packages.request, dockyard.packages.access\n"
        "import dockyard.packages.rpm.sources\n"
        "heavy = {'solv', 'urllib3', 'pysequoia'} & sys.modules.keys()\n"
        "print(*sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
