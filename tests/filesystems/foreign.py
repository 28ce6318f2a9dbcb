"""Images that the kernel filled, where root and loop devices can be had.

The tests run in a namespace that has none, so the process that mounts is started when this module
is loaded, before any fixture.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry, features
from dockyard.errors import DockyardError
from dockyard.host import namespace as host_namespace
from dockyard.host.sandbox import Tools

_TESTS = Path(__file__).parents[1]
SECTOR = 512
_VALUES = (0, 1, 0x7F, 0x80, 0xFF)


def _start() -> subprocess.Popen[str] | None:
    if os.geteuid() or host_namespace.entered() or not Path("/dev/loop-control").exists():
        return None
    return subprocess.Popen(
        ["unshare", "--mount", sys.executable, str(Path(__file__).with_name("kernel_fills.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
    )


_writer = _start()
needs_kernel = pytest.mark.skipif(_writer is None, reason="needs root and loop devices")


def ask(kind: str, image: Path, work: str, **others: object) -> Archive:
    """Let the kernel do some work in an image, and take what it shows (see kernel_fills)."""
    assert _writer is not None
    assert _writer.stdin is not None
    assert _writer.stdout is not None
    task = {"kind": kind, "image": str(image), "work": work, **others}
    print(json.dumps(task), file=_writer.stdin, flush=True)
    answer = _writer.stdout.readline().strip()
    if "'mount'" in answer:
        pytest.skip(f"the kernel does not mount it: {answer[1:]}")
    assert not answer.startswith("!"), answer
    entries: Sequence[Entry] = pickle.loads(base64.b64decode(answer))
    return Archive(entries)


def formatted(tools: Tools, image: Path, size: int, *argv: str) -> Path:
    """A new image of `size` MiB, made by a program such as mkfs.xfs."""
    image.unlink(missing_ok=True)
    with open(image, "wb") as opened:
        opened.truncate(size << 20)
    tools.run([*argv, str(image)], write=[image])
    return image


def sectors_in_use(image: Path) -> Iterator[int]:
    """Where the sectors of an image lie that are not all zeros."""
    with open(image, "rb") as opened:
        at = 0
        while True:
            try:
                at = os.lseek(opened.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            if any(os.pread(opened.fileno(), SECTOR, at)):
                yield at
            at += SECTOR


def survives(
    read: Callable[[Path], Archive], image: Path, rounds: int, *, but: range = range(0)
) -> dict[str, int]:
    """Damage an image at random, again and again, but for a part of it: each time it is read or
    refused. Says how often which.
    """
    used = [at for at in sectors_in_use(image) if at not in but]
    chance, outcomes = random.Random(image.name), {"read": 0, "refused": 0}
    with open(image, "rb+") as opened:
        for _ in range(rounds):
            sound: dict[int, bytes] = {}
            for _ in range(chance.choice((1, 4, 16))):
                place = chance.choice(used) + chance.randrange(SECTOR)
                size = chance.choice((1, 1, 4, 64))
                sound[place] = os.pread(opened.fileno(), size, place)
                value = chance.choice((*_VALUES, chance.randrange(256)))
                os.pwrite(opened.fileno(), bytes([value]) * len(sound[place]), place)
            try:
                features(read(image))
                outcomes["read"] += 1
            except DockyardError as error:
                assert error.problems[0].code == "filesystems.unreadable-image"
                outcomes["refused"] += 1
            for place, content in reversed(sound.items()):
                os.pwrite(opened.fileno(), content, place)
    return outcomes
