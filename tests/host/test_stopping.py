"""A signal to the process alone ends its threads' work, its programs and its workers, soon."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PRELUDE = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from dockyard.host import files, process, stopping, workers

def in_thread(work):
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            print("began", flush=True)
            future.result()
    except stopping.Stopped as stopped:
        print("stopped", flush=True)
        stopping.leave(stopped.status)

def program():
    process.run(["sleep", "60"])

def loop():
    while True:
        stopping.pause(0.01)

def stubborn():
    time.sleep(60)

def lock():
    with files.exclusive(Path(sys.argv[2])), files.exclusive(Path(sys.argv[2])):
        pass

def spread():
    workers.Workers(1).run(time.sleep, 60)

def clearing():
    try:
        loop()
    finally:
        with stopping.clearing():
            time.sleep(3)
            print("cleared", flush=True)

if __name__ == "__main__":
    stopping.listen(lambda: print("farewell", flush=True))
    in_thread(globals()[sys.argv[1]])
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(_PRELUDE)
    return path


def _begin(script: Path, work: str) -> subprocess.Popen[str]:
    argv = [sys.executable, str(script), work, str(script.with_name("lock"))]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "began\n"
    time.sleep(0.3)
    return process


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stdout
    try:
        output = process.communicate(timeout=20)[0]
    finally:
        process.kill()
    return process.returncode, output


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("work", ["program", "loop", "lock", "spread"])
def test_work_of_another_thread_ends(
    script: Path, work: str, number: signal.Signals, status: int
) -> None:
    process = _begin(script, work)
    process.send_signal(number)
    assert _end(process) == (status, "stopped\nfarewell\n")


def test_a_thread_that_does_not_notice_is_left_behind(script: Path) -> None:
    process = _begin(script, "stubborn")
    process.send_signal(signal.SIGINT)
    assert _end(process) == (130, "farewell\n")


def test_clearing_up_is_waited_for(script: Path) -> None:
    process = _begin(script, "clearing")
    process.send_signal(signal.SIGINT)
    assert _end(process) == (130, "cleared\nstopped\nfarewell\n")


def test_a_second_signal_ends_at_once(script: Path) -> None:
    process = _begin(script, "clearing")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert _end(process) == (130, "farewell\n")
    assert time.monotonic() - began < 2
