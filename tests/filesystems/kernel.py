"""The kernel, asked to show and to change images. Only where loop devices can be had.

The tests run in a namespace that has none, so the processes that mount are started when this module
is loaded, before any fixture.
"""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dockyard.archive import Archive, Entry
from dockyard.host import namespace as host_namespace


def _start(name: str) -> subprocess.Popen[str] | None:
    if os.geteuid() or host_namespace.entered() or not Path("/dev/loop-control").exists():
        return None
    return subprocess.Popen(
        ["unshare", "--mount", sys.executable, str(Path(__file__).with_name(name))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


_reader = _start("kernel_reader.py")
_writer = _start("kernel_writer.py")
by_the_kernel = pytest.mark.skipif(_reader is None, reason="needs root and loop devices")


def kernel_shows(kind: str, image: Path) -> Archive:
    """What the kernel shows of an image, mounted read-only."""
    entries: Sequence[Entry] = pickle.loads(base64.b64decode(_answer(_reader, kind, image)))
    return Archive(entries)


def kernel_changes(image: Path, copy: Path, options: str, seed: int, last: str = "-") -> None:
    """Have the kernel change an image of ext4; copy: what it is before it is unmounted."""
    _answer(_writer, image, copy, options, seed, last)


def _answer(process: subprocess.Popen[str] | None, *words: object) -> str:
    assert process is not None
    assert process.stdin is not None
    assert process.stdout is not None
    print(*words, file=process.stdin, flush=True)
    answer = process.stdout.readline().strip()
    if answer.startswith("!"):
        pytest.skip(f"the kernel does not mount it: {answer[1:]}")
    return answer
