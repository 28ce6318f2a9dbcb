"""Measures a command: wall time of it, CPU time of it and of all that it started.

A sandbox's outer process ends without waiting for the inner one, so that the CPU time of what ran
inside would be lost. The measuring process is therefore a subreaper (PR_SET_CHILD_SUBREAPER of
prctl(2)): what is orphaned below it becomes its child, is waited for, and counts.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Sample

_PR_SET_CHILD_SUBREAPER = 36
_TAIL = 30


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended well, and what it wrote."""

    sample: Sample
    stdout: str
    stderr: str


def command(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Done:
    """Run a command to its end. Ends the benchmark when the command fails."""
    adopt_orphans()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = children_cpu()
        began = time.monotonic()
        process = subprocess.Popen(argv, stdout=out, stderr=err, env=env, cwd=cwd)
        status = process.wait()
        wall = time.monotonic() - began
        reap_orphans()
        sample = Sample(wall, children_cpu() - before)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if status:
        tail = "\n".join("".join(texts).splitlines()[-_TAIL:])
        sys.exit(f"benchmarks: {' '.join(argv[:6])} … failed with status {status}:\n{tail}")
    return Done(sample, *texts)


def call(work: Callable[[], object]) -> Sample:
    """Run a function of this process; programs that it starts count too."""
    adopt_orphans()
    before = children_cpu() + time.process_time()
    began = time.monotonic()
    work()
    wall = time.monotonic() - began
    reap_orphans()
    return Sample(wall, children_cpu() + time.process_time() - before)


def adopt_orphans() -> None:
    """Make this process the parent of what is orphaned below it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans() -> None:
    """Wait for everything below this process."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def children_cpu() -> float:
    """CPU seconds, user and system, of all children that were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
