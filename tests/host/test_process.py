"""Programs that are run to their end: what they print is told, kept and journaled."""

from __future__ import annotations

import logging
import threading

import pytest

from dockyard.errors import DockyardError
from dockyard.host.limits import Limits
from dockyard.host.process import run
from dockyard.host.stopping import Stopped

PRINTS_MUCH = ["sh", "-c", "i=0; while [ $i -lt 40000 ]; do echo line; i=$((i + 1)); done"]


def test_each_line_is_told_and_all_are_kept() -> None:
    lines: list[str] = []
    done = run(["sh", "-c", "echo one; printf two"], told=lines.append)
    assert lines == ["one", "two"]
    assert done.text == "one\ntwo"


@pytest.mark.parametrize("failure", [ValueError("no"), Stopped(15)])
def test_what_fails_in_whoever_is_told_fails_the_call(
    failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    strays: list[object] = []
    monkeypatch.setattr(threading, "excepthook", strays.append)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        raise failure

    with pytest.raises(type(failure)) as caught:
        run(PRINTS_MUCH, told=tell)
    assert caught.value is failure
    assert told == ["line"]
    assert strays == []


def test_a_program_that_a_limit_stopped_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dockyard")
    with pytest.raises(DockyardError, match="ran for more than 0 s"):
        run(["sh", "-c", "echo begun; exec sleep 60"], limits=Limits(seconds=0))
    assert "begun" in caplog.text and "(signal 9)" in caplog.text
