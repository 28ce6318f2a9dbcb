"""Workers: results in order, and no worker outlives its caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.workers import each


def test_results_come_in_the_order_of_the_items() -> None:
    told: list[int] = []
    results = each(abs, [-3, -1, -2], workers=2, done=told.append)
    assert results == [3, 1, 2]
    assert sorted(told) == [-3, -2, -1]


def test_one_worker_needs_no_process() -> None:
    here: list[int] = []
    assert each(here.append, [1, 2], workers=1) == [None, None]
    assert here == [1, 2]


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(DockyardError) as caught:
        each(os._exit, [3, 3], workers=2)
    assert caught.value.problems[0].code == "host.worker-died"


_SLEEPERS = """
import time
from dockyard.host.workers import each
if __name__ == "__main__":
    each(time.sleep, [60, 60], workers=2)
"""


def _children(process: int) -> list[int]:
    return [
        int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def _wait(condition: object, seconds: float = 20) -> bool:
    assert callable(condition)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_no_worker_outlives_a_caller_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(_SLEEPERS)
    caller = subprocess.Popen([sys.executable, str(script)])
    found: list[int] = []

    def sleeping() -> bool:
        # The tracker of multiprocessing and two workers, these asleep in their item.
        found[:] = _children(caller.pid)
        stats = [Path(f"/proc/{child}/wchan").read_text() for child in found]
        return len(found) == 3 and sum("nanosleep" in stat for stat in stats) == 2

    try:
        assert _wait(sleeping)
    finally:
        os.kill(caller.pid, signal.SIGKILL)
        caller.wait()
    assert _wait(lambda: not any(Path(f"/proc/{child}").exists() for child in found))
