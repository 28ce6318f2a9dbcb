from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dockyard.host.process import start
from dockyard.host.sandbox import Tools
from dockyard.host.session import Session, open_session

Launch = Callable[[Mapping[str, int]], subprocess.Popen[bytes]]


def python(program: str) -> Launch:
    def launch(channels: Mapping[str, int]) -> subprocess.Popen[bytes]:
        numbers = tuple(channels.values())
        argv = [sys.executable, "-c", f"import os,sys,time\n{program}", *map(str, numbers)]
        return start(argv, pass_fds=numbers)

    return launch


def gather(session: Session, name: str, size: int) -> bytes:
    data = b""
    while len(data) < size and session.elapsed < 20:
        data += session.wait(1).get(name, b"")
    return data


def test_more_than_fits_goes_both_ways() -> None:
    echo = "c = int(sys.argv[1])\nwhile d := os.read(c, 1000): os.write(c, d)"
    sent = os.urandom(2_000_000)
    with open_session(["a"], python(echo)) as session:
        session.send("a", sent)
        assert gather(session, "a", len(sent)) == sent


def test_last_words_are_heard() -> None:
    with open_session(["a"], python("os.write(int(sys.argv[1]), b'bye')")) as session:
        assert gather(session, "a", 3) == b"bye"
        while session.status is None:
            session.wait(1)
        assert session.status == 0


def test_the_end_of_the_block_is_the_end_of_the_program() -> None:
    with open_session([], python("time.sleep(100)")) as session:
        assert session.status is None
        session.wait(0.1)
    assert session.status == -9


def test_nothing_to_hear_takes_no_longer_than_told() -> None:
    with open_session(["a"], python("time.sleep(100)")) as session:
        assert session.wait(0.2) == {}
        assert 0.2 <= session.elapsed < 10


def _command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return found


@pytest.mark.build
def test_a_killed_sandbox_leaves_nothing_running(tools: Tools) -> None:
    mark = f"86{os.getpid()}"
    with open_session((), lambda _: tools.start(["sleep", mark])) as session:
        while (
            not any(
                line.startswith(b"sleep\0") and mark.encode() in line for line in _command_lines()
            )
            and session.elapsed < 10
        ):
            session.wait(0.05)
        assert any(
            line.startswith(b"sleep\0") and mark.encode() in line for line in _command_lines()
        )
    with open_session([], python("time.sleep(0.5)")) as pause:
        pause.wait(5)
    assert not any(mark.encode() in line for line in _command_lines())
