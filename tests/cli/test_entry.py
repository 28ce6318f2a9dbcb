"""Signals that come while the command still imports its parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# In place of a library that the command line imports: says that it is there, and takes long.
SLOW = "import pathlib, time\npathlib.Path({!r}).touch()\n[time.sleep(0.01) for _ in range(6000)]\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_imports_ends_it_without_a_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    module, _, name = tomllib.loads(PROJECT.read_text())["project"]["scripts"][
        "dockyard"
    ].partition(":")
    reached = tmp_path / "reached"
    (tmp_path / "click.py").write_text(SLOW.format(str(reached)))
    code = f"from {module} import {name}; {name}()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not reached.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (128 + number, "")
