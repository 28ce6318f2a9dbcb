"""What a person reads: problems, durations, sizes, and the progress of steps."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import click
import pytest

from dockyard.cli import terminal
from dockyard.cli.answer import envelope
from dockyard.cli.display import display
from dockyard.cli.live import live
from dockyard.engine import events
from dockyard.errors import DockyardError, Position, Problem, Severity

PROBLEM = Problem(
    "room.code", "it broke", Position("a.yaml", 3, 7), "because\nof that", "mend it", ("line",)
)


def test_a_problem_on_one_screen() -> None:
    text = click.unstyle(terminal.render(PROBLEM))
    assert text.splitlines() == [
        "error[room.code]: it broke",
        "  where  a.yaml:3:7",
        "  │ line",
        "  why    because",
        "         of that",
        "  fix    mend it",
    ]


HOSTILE = "\x1b]0;title\a\x1b[2J\x9b1m\rall is well\u202e\udcff"


def test_no_terminal_obeys_what_a_problem_quotes() -> None:
    """Output of scripts, names of files: all of it may come from somebody else."""
    problem = Problem("room.code", HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, "a\tb"))
    text = click.unstyle(terminal.render(problem))
    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert "\\x1b]0;title\\x07" in text and "\\u202e" in text and "\\xff" in text
    assert "a\tb" in text


def test_no_terminal_obeys_an_answer_in_json() -> None:
    problem = Problem("room.code", HOSTILE, excerpt=("äöü",))
    text = envelope("build", ok=False, problems=[problem], result={HOSTILE: 1})
    assert text.replace("\n", "").isprintable()
    told = json.loads(text)
    assert told["problems"][0]["what"] == HOSTILE and HOSTILE in told["result"]
    assert "äöü" in text


@pytest.mark.parametrize("mode", ["plain", "json"])
def test_no_terminal_obeys_the_name_of_a_step(
    mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with display(mode) as listener:
        listener(events.StepStarted("a-1", HOSTILE, HOSTILE))
        listener(events.StepFinished("a-1", HOSTILE, 1.5, HOSTILE))
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_all_problems_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fail(DockyardError(PROBLEM, Problem("room.other", "that too")))
    told = capsys.readouterr()
    assert told.out == ""
    assert "it broke" in told.err and "that too" in told.err and "2 problems" in told.err


def test_of_very_many_problems_the_first_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fail(DockyardError(*(Problem("room.code", f"mistake {n}") for n in range(2000))))
    told = capsys.readouterr().err
    assert told.count("mistake") == 20
    assert told.endswith("2000 problems; 1980 more are not shown\n")


def test_remarks_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.remark([Problem("room.code", "it may break", severity=Severity.WARNING)])
    assert click.unstyle(capsys.readouterr().err) == "warning[room.code]: it may break\n\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.314, "0.31 s"), (12.3, "12 s"), (125.0, "2 min 5 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [(12, "12 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes(octets: int, text: str) -> None:
    assert terminal.size(octets) == text


EVENTS = (
    events.StepReused("a-1", "Make a"),
    events.StepReused("b-1", "Make b"),
    events.StepStarted("c-1", "Make c", "it changed"),
    events.StepProgress("c-1", "[half]", 1, 2, "parts"),
    events.StepFinished("c-1", "Make c", 1.5, note="done"),
    events.StepStarted("d-1", "Make d", ""),
    events.StepFailed("d-1", "Make d", 0.5),
    events.StepStarted("e-1", "Make e", ""),
    events.StepStopped("e-1", "Make e", 0.5),
)


def test_plain_progress_counts_what_is_reused(capsys: pytest.CaptureFixture[str]) -> None:
    with display("plain") as listener:
        for event in EVENTS:
            listener(event)
    assert capsys.readouterr().err.splitlines() == [
        "  =  2 steps from the store",
        "  …  Make c (it changed)",
        "  ok Make c, 1.50 s, done",
        "  …  Make d",
        "  -- Make d failed after 0.50 s",
        "  …  Make e",
        "  -- Make e interrupted after 0.50 s",
    ]


def test_progress_for_programs_is_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with display("json") as listener:
        for event in EVENTS:
            listener(event)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines][:3] == ["StepReused", "StepReused", "StepStarted"]
    assert lines[3]["total"] == 2


def test_the_live_display_takes_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    with live() as listener:
        for event in EVENTS:
            listener(event)
    shown = capsys.readouterr().err
    assert "✓ Make c" in shown and "✗ Make d" in shown and "✗ Make e" not in shown
    assert "Make e interrupted after" in shown


def test_the_live_display_moves_until_a_step_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0
    monkeypatch.setattr("rich.console.monotonic", lambda: seconds)
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with live() as listener:
        listener(events.StepStarted("a", "Read a", ""))
        listener(events.StepProgress("a", "all is there", 2, 2, "files"))
        seconds = 7.0
        screen.truncate(0)
        listener(events.StepReused("b", "Make b"))
        listener(events.StepStarted("c", "Make c", ""))  # a line above: all is drawn anew
    shown = screen.getvalue()
    assert "0:00:07" in shown
    assert any(frame in shown for frame in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")


def test_a_narrow_terminal_cuts_notes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with live() as listener:
        title, note = "Take each package's relations (412)", "Take the relations of networking"
        listener(events.StepStarted("a", title, ""))
        listener(events.StepProgress("a", note, 103, 412))
    last = click.unstyle(screen.getvalue()).rsplit(title)[-1]
    assert "25% 0:00:00 Take the" in last and "…" in last and note not in last


@pytest.mark.parametrize(
    ("widths", "columns"),
    [({}, 100), ({1: 70}, 70), ({2: 80}, 80), ({1: 0, 2: 80}, 80), ({2: 200}, 100), ({1: 0}, 100)],
)
def test_a_pager_is_as_wide_as_the_terminal_that_it_is_on(
    monkeypatch: pytest.MonkeyPatch, widths: dict[int, int], columns: int
) -> None:
    def size(descriptor: int) -> os.terminal_size:
        if descriptor not in widths:
            raise OSError(25, "Inappropriate ioctl for device")
        return os.terminal_size((widths[descriptor], 24))

    class Stream:
        def __init__(self, number: int) -> None:
            self.fileno = lambda: number

    for number, name in enumerate(("__stdin__", "__stdout__", "__stderr__")):
        monkeypatch.setattr(sys, name, Stream(number))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", size)
    assert terminal.width() == columns


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with display("quiet") as listener:
        listener(EVENTS[2])
    assert capsys.readouterr().err == ""


def on_a_terminal(words: list[str], **environment: str) -> str:
    """What `dockyard` writes when both of its streams are a terminal."""
    ours, theirs = pty.openpty()
    code = "from dockyard.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    ):
        os.close(theirs)
        told = b""
        with suppress(OSError):  # EIO: the other end is closed
            while data := os.read(ours, 1 << 16):
                told += data
    os.close(ours)
    return told.decode()


@pytest.mark.parametrize("words", [["doctor"], ["biuld"]], ids=" ".join)
def test_colours_are_left_out_where_they_are_not_wanted(words: list[str]) -> None:
    assert "\x1b[3" in on_a_terminal(words, NO_COLOR="")
    assert "\x1b" not in on_a_terminal(words, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(words, TERM="dumb")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.draws()
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.draws()
