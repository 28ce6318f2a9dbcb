"""The error gallery: runs a command that fails, and holds its page in docs/errors to the outcome.

A page shows the input, the command and all that a user sees, with paths, addresses and fingerprints
of this run replaced by fixed ones. With DOCKYARD_UPDATE_GALLERY=1 pages are written, else compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.engine.store import Store
from dockyard.host import seal
from dockyard.model.packages import Lock
from dockyard.packages.lockfile import dump
from dockyard.tools.trees import tools_step

REPOSITORY = Path(__file__).parents[2]
# The small repositories of the packages' tests, for the modules that import this one before them.
sys.path.append(str(REPOSITORY / "tests/packages"))

PAGES = REPOSITORY / "docs/errors"
UPDATE = "DOCKYARD_UPDATE_GALLERY"

# What the image files of most cases have: a disk, and the begin of `os`.
DISK_AND_BOOT = """\
storage:
  bootType: efi
  disks:
    - partitionTableType: gpt
      partitions:
        - id: esp
          type: esp
          size: 96M
        - id: root
          size: 1G
  filesystems:
    - deviceId: esp
      type: vfat
      mountPoint: /boot/efi
    - deviceId: root
      type: ext4
      mountPoint: /

os:
  bootloader:
    resetType: hard-reset
"""

MOST_LINES = 24
MOST_COLUMNS = 100
HOME = "/home/you"

_INDEX = """\
# Error gallery

What a person sees when something is wrong. The tests take these pages from real runs and compare
them with every change. Each error has a stable code, says what is wrong, where and why, and what to
do about it. Nothing is built before the whole input is valid, and all mistakes of an input come
together.

| error | code |
| --- | --- |
"""

_SPEAK = {".yaml": "yaml", ".sh": "sh"}


@dataclass(frozen=True)
class Shown:
    """A part of an input file that a page shows; the file must really have it."""

    file: str
    text: str


@dataclass
class Desk:
    """The directory in which a case's command runs, as a user's home would be.

    environment: added to that of the command. replaced: text of this run → text of the page.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path) -> Desk:
        tools = root / "tools.lock"
        tools.write_text(dump(Lock("tools", None, (), ())))
        # Unpacked already: the quick cases end before the first tool runs.
        store, step = Store(root / "store"), tools_step(())
        store.place(step.id).mkdir()
        seal.write(store.place(step.id))
        store.note_answer(step, step.id)
        environment = {"DOCKYARD_STORE": str(root / "store"), "DOCKYARD_TOOLS_LOCK": str(tools)}
        return cls(root, environment, {str(root): HOME})

    def hide(self, digests: Sequence[str]) -> None:
        """Give digests of this run, in order, fixed ones on the page."""
        for digest, digit in zip(digests, "abcdef", strict=False):
            self.replaced[digest] = f"sha256:{digit * 64}"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, command: str, *, wrapped: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run `dockyard …` as a user would. wrapped: a program that runs Dockyard in its stead."""
        verb, *arguments = command.split()
        assert verb == "dockyard"
        program = wrapped or [str(Path(sys.executable).with_name("dockyard"))]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DOCKYARD_")}
        return subprocess.run(
            [*program, *arguments],
            cwd=self.root,
            env={**kept, "NO_COLOR": "1", **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, command: str) -> None:
        """Run a command that prepares the case and has to succeed."""
        done = self.run(command)
        assert done.returncode == 0, done.stdout + done.stderr

    def normal(self, text: str) -> str:
        """Output without what differs between runs."""
        for found, put in sorted(self.replaced.items(), key=lambda item: -len(item[0])):
            text = text.replace(found, put)
        text = re.sub(r"http://127\.0\.0\.1:\d+", "http://mirror.example.com", text)
        text = re.sub(
            r"log: \S+/logs/\d{8}T\d{6}Z-(\S+?)-\d+\.log",
            rf"log: {HOME}/store/logs/20260101T080000Z-\1-4711.log",
            text,
        )
        # What packages need changes with them.
        text = re.sub(r"\d+ MiB are needed", "149 MiB are needed", text)
        keys = list(dict.fromkeys(re.findall(r"\b(?:[0-9A-F]{40}|[0-9A-F]{16})\b", text)))
        for key, digit in zip(keys, "ABCDEF", strict=False):
            text = text.replace(key, digit * len(key))
        return text


def show(
    desk: Desk,
    name: str,
    title: str,
    story: str,
    shown: Sequence[Shown],
    command: str,
    *,
    code: str,
    place: str = "",
    wrapped: Sequence[str] = (),
) -> None:
    """Run the command and hold the page `name` to what it prints.

    code: of the error that must come. place: file:line:column that must be told.
    """
    for item in shown:
        assert item.text in (desk.root / item.file).read_text(), f"{item.file} has no such lines"
    done = desk.run(command, wrapped=wrapped)
    assert done.returncode == 1, done.stdout + done.stderr
    seen = desk.normal(done.stdout + done.stderr).rstrip()
    assert "Traceback" not in seen
    assert f"error[{code}]" in seen, seen
    assert place in seen, seen
    lines = seen.splitlines()
    assert len(lines) <= MOST_LINES, f"{len(lines)} lines are no single screen:\n{seen}"
    wide = [line for line in lines if len(line) > MOST_COLUMNS]
    assert not wide, wide
    _hold(PAGES / f"{name}.md", _page(title, story, shown, command, seen, code))


def _page(
    title: str, story: str, shown: Sequence[Shown], command: str, seen: str, code: str
) -> str:
    parts = [f"# {title}\n", textwrap.fill(story, MOST_COLUMNS) + "\n"]
    for item in shown:
        speaks = _SPEAK.get(Path(item.file).suffix, "text")
        parts.append(f"In `{item.file}`:\n\n```{speaks}\n{item.text.rstrip()}\n```\n")
    parts.append(f"```console\n$ {command}\n{seen}\n```\n")
    parts.append(f"Code `{code}`. Exit status 1. Back to [all errors](README.md).")
    return "\n".join(parts) + "\n"


def _hold(path: Path, text: str) -> None:
    if os.environ.get(UPDATE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"{path} is missing; write it with {UPDATE}=1"
    assert path.read_text() == text, f"{path} is out of date; write it anew with {UPDATE}=1"


def hold_index() -> None:
    """Hold the index to the pages that are there."""
    rows = []
    for page in sorted(PAGES.glob("*.md")):
        if page.name == "README.md":
            continue
        text = page.read_text()
        title = text.partition("\n")[0].removeprefix("# ")
        [code] = re.findall(r"^Code `([a-z.-]+)`", text, re.MULTILINE)
        rows.append(f"| [{title}]({page.name}) | `{code}` |")
    _hold(PAGES / "README.md", _INDEX + "\n".join(rows) + "\n")
