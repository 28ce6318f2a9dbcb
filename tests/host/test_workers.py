"""Workers: functions in processes of their own, none of which outlives its caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.workers import Workers


def test_a_function_runs_in_another_process_and_what_it_raises_is_raised_here() -> None:
    workers = Workers(2)
    try:
        with ThreadPoolExecutor(2) as pool:
            found = set(pool.map(lambda _: workers.run(os.getpid), range(4)))
        assert found and os.getpid() not in found
        with pytest.raises(ZeroDivisionError):
            workers.run(divmod, 1, 0)
    finally:
        workers.close()


def test_a_worker_that_dies_is_told() -> None:
    workers = Workers(1)
    try:
        with pytest.raises(DockyardError) as caught:
            workers.run(os._exit, 3)
    finally:
        workers.close()
    assert caught.value.problems[0].code == "host.worker-died"


_SLEEPERS = """
import time
from concurrent.futures import ThreadPoolExecutor
from dockyard.host.workers import Workers
if __name__ == "__main__":
    workers = Workers(2)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seconds: workers.run(time.sleep, seconds), [60, 60]))
"""


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(text) for task in tasks for text in (task / "children").read_text().split()]


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
