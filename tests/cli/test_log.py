"""The log of a run: programs and what they print, only for its owner, not too many of them."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from dockyard.cli.answer import Answer
from dockyard.cli.display import display
from dockyard.cli.log import current_log, without_values
from dockyard.cli.options import progress_option, store_option
from dockyard.cli.verb import Verb
from dockyard.engine import events
from dockyard.host.process import run


@click.command(cls=Verb)
@store_option
@progress_option
def work(store: Path, progress: str) -> Answer:
    """A verb that runs a step with a program in it."""
    with display(progress) as listener:
        listener(events.StepStarted("a-1", "Make a", "it is new"))
        run(["sh", "-c", "echo hidden; echo told >&2"], env={"SECRET": "s3cret"})
        run(["printf", "\\033[2Jwiped\\rover\\n"])
        listener(events.StepFinished("a-1", "Make a", 1.5))
    return Answer("done", {}, logged=True)


@click.command(cls=Verb)
@store_option
@progress_option
def idle(store: Path, progress: str) -> Answer:
    """A verb that does nothing."""
    return Answer("nothing", {})


def call(verb: click.Command, *words: str) -> None:
    try:
        verb.main(list(words), prog_name="dockyard work", standalone_mode=False)
    except SystemExit as left:
        assert not left.code


def test_a_run_leaves_a_log_of_its_programs_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(work, "--store", str(tmp_path), "--progress", "plain")
    (log,) = (tmp_path / "logs").iterdir()
    text = log.read_text()
    assert "begin   Make a (it is new)" in text and "done    Make a" in text
    assert "ran     sh -c" in text
    assert "    │ hidden" in text and "    │ told" in text
    assert "    │ \\x1b[2Jwiped" in text
    assert "s3cret" not in text
    assert log.stat().st_mode & 0o077 == 0
    told = capsys.readouterr()
    assert f"log: {log}" in told.err
    assert "hidden" not in told.err and told.out == "done\n"


def test_a_run_that_does_nothing_leaves_none(tmp_path: Path) -> None:
    call(idle, "--store", str(tmp_path))
    assert not (tmp_path / "logs").exists()


def test_the_log_goes_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "here.log"
    log.write_text("of another run")
    call(work, "--store", str(tmp_path / "store"), "--log-file", str(log))
    assert "hidden" in log.read_text() and "another run" not in log.read_text()
    assert not (tmp_path / "store/logs").exists()


def test_verbose_shows_what_programs_print_and_quiet_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(work, "--store", str(tmp_path), "-v")
    assert "│ hidden" in capsys.readouterr().err
    call(work, "--store", str(tmp_path), "-q")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("done\n", "")


def test_old_logs_go(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(60):
        (logs / f"20200101T0000{number:02}Z-build-1.log").touch()
    call(work, "--store", str(tmp_path), "-q")
    assert len(list(logs.iterdir())) == 50
    log = current_log()
    assert log is not None and log.written and log.written.exists()


def test_a_store_that_cannot_be_written_stops_no_work(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "logs").write_text("a file where the directory is to be")
    else:
        tmp_path.chmod(0o500)
    call(work, "--store", str(tmp_path), "-q")


def test_values_of_variables_are_in_no_log() -> None:
    words = ["build", "a.yaml", "--set", "pass=secret", "--set=key=hidden", "--profile", "a=b"]
    assert without_values(words) == [
        "build", "a.yaml", "--set", "pass=…", "--set=key=…", "--profile", "a=b",
    ]  # fmt: skip
