"""Starts programs: a clean environment, output captured, quiet unless the program fails.

Nothing of the caller's environment reaches a program except what is named here; the locale is C
and the zone UTC, and the umask 022, so that a program's output does not depend on who runs it.
"""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO

from dockyard.errors import DockyardError, Problem
from dockyard.host import journal, stopping
from dockyard.host.conditions import UMASK
from dockyard.host.limits import Limits, Watch
from dockyard.host.lines import Lines

BASE_ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
}

TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended: its exit status (negative: the signal that ended it) and its
    output.
    """

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")


class ProcessFailed(DockyardError):
    """A program ended with a status other than zero. `completed` has the whole output."""

    def __init__(self, completed: Completed, shown: Sequence[str] | None = None) -> None:
        argv = tuple(shown or completed.argv)
        output = (completed.stderr or completed.stdout).decode(errors="replace").splitlines()
        ending = (
            f"was ended by signal {-completed.status}"
            if completed.status < 0
            else f"failed with status {completed.status}"
        )
        super().__init__(_failure(argv, ending, output, shown is not None))
        self.completed = completed


def _failure(argv: Sequence[str], ending: str, output: list[str], wrapped: bool) -> Problem:
    """What a program's failure means. wrapped: it ran in a sandbox, so that its command alone is
    nothing that a person could run.
    """
    excerpt = tuple(output[-TAIL_LINES:])
    if any("No space left on device" in line for line in output):
        return Problem(
            "host.no-space",
            f"{argv[0]} {ending}",
            why="no space is left on the device that it wrote to",
            fix="free space there, or move the store with --store",
            excerpt=excerpt,
        )
    if wrapped and output and output[-1].startswith("bwrap: "):
        return Problem(
            "host.sandbox-failed",
            f"the sandbox for {argv[0]} could not be set up",
            why=output[-1].removeprefix("bwrap: "),
            fix="see what this host lacks with: dockyard doctor",
        )
    if wrapped:
        why = f"inside its sandbox it ran as: {shlex.join(argv)}"
        return Problem("host.process-failed", f"{argv[0]} {ending}", why=why, excerpt=excerpt)
    fix = f"to see it alone, run: {shlex.join(argv)}"
    return Problem("host.process-failed", f"{argv[0]} {ending}", fix=fix, excerpt=excerpt)


def start(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | int | None = None,
    stdout: IO[bytes] | int | None = None,
    stderr: IO[bytes] | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    pass_fds: Sequence[int] = (),
    first: Callable[[], None] | None = None,
    as_root: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program and return while it runs. A stream that is None is /dev/null for input, and
    is dropped for output.

    env: added to BASE_ENVIRONMENT. first: what the new process calls before it becomes the
    program. as_root: as the root of the namespace, in no group, instead of the caller. Raises
    DockyardError when the program does not exist.
    """
    root = 0 if as_root else None
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            env={**BASE_ENVIRONMENT, **(env or {})},
            cwd=cwd,
            pass_fds=pass_fds,
            umask=UMASK,
            preexec_fn=first,
            user=root,
            group=root,
            extra_groups=[] if as_root else None,
        )
    except OSError as error:
        if cwd is not None and error.filename == cwd:
            raise
        if not isinstance(error, FileNotFoundError):
            raise DockyardError(
                Problem(
                    code="host.program-unusable",
                    what=f"the program {argv[0]} cannot be run",
                    why=error.strerror or str(error),
                    fix="reinstall it, then run: dockyard doctor",
                )
            ) from error
        raise DockyardError(
            Problem(
                code="host.program-missing",
                what=f"the program {argv[0]} is not there",
                fix="run: dockyard doctor",
            )
        ) from error


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    check: bool = True,
    shown: Sequence[str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float | None = None,
    first: Callable[[], None] | None = None,
    as_root: bool = False,
    limits: Limits | None = None,
    told: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program to its end.

    stdin: bytes to feed, an open file, or None for no input. stdout: an open file, or None to
    capture. env: added to BASE_ENVIRONMENT. shown: the command to name in errors, where argv is
    wrapped. timeout: seconds; the program is killed after that and counts as ended by SIGKILL.
    first, as_root: as in `start`. limits: what the program and all that it starts may use; going
    beyond is a DockyardError, and of what is captured of more than 64 MiB the middle is left out,
    but for what a program prints that Dockyard brought.
    told: is given each line of the output as it comes, in a thread of its own; what it raises is
    raised here when the program has ended.
    Raises ProcessFailed when check is set and the status is not zero; DockyardError when the
    program does not exist; Stopped when this process is told to stop meanwhile.
    """
    stopping.check()
    feed = stdin if isinstance(stdin, bytes) else None
    # What is not ours may print without end.
    is_foreign = limits is not None and limits.image is None
    lines = Lines(told) if told or (is_foreign and stdout is None) else None
    errors = Lines() if limits else None
    pipes = [pipe for pipe in (lines, errors) if pipe]
    try:
        process = start(
            argv,
            stdin=subprocess.PIPE if feed is not None else stdin,  # type: ignore[arg-type]
            stdout=lines.descriptor if lines else stdout or subprocess.PIPE,
            stderr=errors.descriptor if errors else subprocess.PIPE,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            first=first,
            as_root=as_root,
        )
    except DockyardError:
        for pipe in pipes:
            pipe.abandon()
        raise
    for pipe in pipes:
        pipe.begin()
    watch = Watch(process, limits, (shown or argv)[0]) if limits else None
    out, err = _ended(process, feed, timeout, watch)
    out = lines.end() if lines else out
    err = errors.end() if errors else err
    completed = Completed(tuple(argv), process.returncode, out or b"", err or b"")
    journal.program_ended(shown or argv, completed.status, completed.stdout, completed.stderr)
    if watch and watch.problem:
        raise DockyardError(_with_output(watch.problem, completed.stderr or completed.stdout))
    if check and completed.status:
        raise ProcessFailed(completed, shown)
    return completed


def _ended(
    process: subprocess.Popen[bytes], feed: bytes | None, timeout: float | None, watch: Watch | None
) -> tuple[bytes | None, bytes | None]:
    """Feed a program and wait for its end: what it printed. It does not outlive this call."""
    try:
        with stopping.killable(process), watch or nullcontext():
            return process.communicate(feed, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise


def _with_output(problem: Problem, output: bytes) -> Problem:
    lines = output.decode(errors="replace").splitlines()
    return dataclasses.replace(problem, excerpt=tuple(lines[-TAIL_LINES:]))
