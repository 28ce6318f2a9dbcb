"""Functions of steps for the tests of the engine: a step names them, so they are in a module."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.engine.codec import Beside
from dockyard.engine.step import Step
from dockyard.engine.work import Work
from dockyard.errors import DockyardError, Problem


@dataclass(frozen=True)
class Text:
    """What `write` is to write. above: a directory in which steps leave that they ran."""

    text: str
    inputs: tuple[str, ...] = ()
    above: Beside[Path | None] = None


def write(work: Work, wanted: Text) -> None:
    """Writes a text, and the texts of the inputs behind it."""
    if wanted.above:
        with (wanted.above / "ran").open("a") as log:
            log.write(f"{wanted.text}\n")
    joined = wanted.text + "".join((work.result(n) / "text").read_text() for n in wanted.inputs)
    work.progress("writing", 1, 2, "parts")
    (work.out / "text").write_text(joined)


def upper(work: Work, wanted: Text) -> None:
    """Writes the text of its input without its case: many inputs give one content."""
    (name,) = wanted.inputs
    if wanted.above:
        with (wanted.above / "ran").open("a") as log:
            log.write("upper\n")
    (work.out / "text").write_text((work.result(name) / "text").read_text().upper())


def writes(text: str, *inputs: Step, name: str = "write", **more: Any) -> Step:
    """The step that writes a text."""
    wanted = Text(text, tuple(step.name for step in inputs), more.pop("above", None))
    function = more.pop("function", write)
    return Step.of("write", f"write {text}", function, wanted, inputs, name=name, **more)


@dataclass(frozen=True)
class Meeting:
    """A directory in which steps meet, the name of this one, and how many there are."""

    place: Path
    name: str
    count: int


def meet(work: Work, wanted: Meeting) -> None:
    """Waits until all are there."""
    (wanted.place / wanted.name).touch()
    deadline = time.monotonic() + 20
    while len(list(wanted.place.iterdir())) < wanted.count:
        if time.monotonic() > deadline:
            raise AssertionError("the other step does not run")
        time.sleep(0.01)


def meet_and_fail(work: Work, wanted: Meeting) -> None:
    """Waits for the others, and fails half done."""
    (work.out / "half").write_text("half")
    meet(work, wanted)
    raise DockyardError(Problem(wanted.name, wanted.name))


@dataclass(frozen=True)
class Nothing:
    """No argument."""


def fill_the_disk(work: Work, wanted: Nothing) -> None:
    """Fails as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def slowly(work: Work, wanted: Nothing) -> None:
    """Takes two seconds for two hundred files."""
    for number in range(200):
        (work.out / str(number)).write_text(str(number))
        time.sleep(0.01)


def process_of(work: Work, wanted: Text) -> None:
    """Writes the number of its process."""
    (work.out / "text").write_text(str(os.getpid()))


@dataclass(frozen=True)
class Trouble:
    """The code of a problem."""

    code: str


def fail(work: Work, wanted: Trouble) -> None:
    """Fails."""
    raise DockyardError(Problem(wanted.code, wanted.code))
