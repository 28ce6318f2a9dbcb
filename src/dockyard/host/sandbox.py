"""Runs programs of a tools tree, or of an image's tree, confined by bubblewrap: no network, no way
out.

`Tools` runs programs that Dockyard brought itself: the tree is read-only, and a program sees of
the host only the paths that are named, at the same paths. `run_in_tree` runs a program of an image
inside that image's own tree. `Tools.run_in_tree` runs a program that Dockyard brought inside an
image's tree, with the image's own programs as its helpers: rpm and the scriptlets of packages.

What holds for all of them (see docs/concepts/security.md):

- They are root of a user namespace in which neither the caller nor the root of the host exist
  (`namespace.confined`), and own only what images own and what they are lent.
- Their mounts belong to the namespace outside: no program, whatever it becomes, can change one.
- They have the capabilities that files of many owners need and no other, and can get none.
- `seccomp` refuses the calls that programs which make files have no use for.
- Processes, mounts, names, IPC and network are their own; /proc shows nothing of the host.
- `conditions` are the same whoever starts them; those of images have `limits`, and so have those
  that read images.

Needs `namespace.enter()` before. `Tools.start` is for programs that only read and write files of
the caller's, as the caller: it works without the namespace, and inside it.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dockyard.host import namespace, seccomp
from dockyard.host.conditions import conditions
from dockyard.host.limits import Limits, chosen_limits, reading_limits
from dockyard.host.process import Completed, run, start

# With a process namespace of its own, whatever ends bwrap ends all that runs inside.
_APART = (
    "bwrap",
    "--die-with-parent",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
)
# For files of any owner, mode and capability, and programs that become another user.
_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_KILL",
)
_CONFINED = (
    *_APART,
    "--new-session",
    "--unshare-net",
    *("--hostname", "localhost"),
    *("--cap-drop", "ALL"),
    *(word for name in _CAPABILITIES for word in ("--cap-add", name)),
)
# Of the kernel, its memory and its keys. The root of the host owns each, and QEMU may run as root.
_HIDDEN = (
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/pagetypeinfo",
    "/proc/sched_debug",
    "/proc/slabinfo",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/vmallocinfo",
)
_LINKS = (("usr/bin", "/bin"), ("usr/sbin", "/sbin"), ("usr/lib", "/lib"), ("usr/lib64", "/lib64"))
_PROC_AND_DEV = (
    *("--dev", "/dev", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"),
    *(word for path in _HIDDEN if Path(path).exists() for word in ("--ro-bind", "/dev/null", path)),
)
# Where a tools tree is found inside an image's tree: a place that no image has files in.
_TOOLS_INSIDE = "/dev/.tools"


@dataclass(frozen=True, slots=True)
class Tools:
    """A tools tree: a directory with usr, etc and var of an unpacked distribution (merged /usr)."""

    root: Path

    def run(
        self,
        argv: Sequence[str],
        *,
        read: Sequence[Path] = (),
        write: Sequence[Path] = (),
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
        timeout: float | None = None,
        overlays: Sequence[tuple[Path, str]] = (),
        reads: Path | None = None,
    ) -> Completed:
        """Run a program of the tree.

        read, write: absolute host paths that the program sees, at the same paths, read-only or
        writable. What is to be read must be readable by all. What the caller owns of `write` is
        lent to the program; the trees of images are its own anyway.
        overlays: (host path, path in the sandbox) pairs, read-only, laid over the tree's own files.
        reads: a file that a stranger may have made, such as an image, which the program reads: it
        has limits then, by the size of that. Raises ProcessFailed, and DockyardError at a limit, as
        `process.run` does.
        """
        with lent(write):
            return _run(
                self._bindings(read, write, cwd, overlays),
                argv,
                stdin=stdin,
                stdout=stdout,
                env=env,
                check=check,
                timeout=timeout,
                limits=reading_limits(reads) if reads is not None else None,
            )

    def run_in_tree(
        self,
        tree: Path,
        argv: Sequence[str],
        *,
        read: Sequence[tuple[Path, str]] = (),
        env: Mapping[str, str] | None = None,
        check: bool = True,
        told: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a program of this tree with an image's tree as its root directory: what it starts are
        the image's programs.

        argv: the program's path in the tools tree, and its arguments. The tools are at
        `self.inside`. read: (host path, path in the sandbox) pairs, read-only; the mount points
        must be below /dev. The tree's directories dev and proc must exist, and are empty again
        afterwards. Raises ProcessFailed, and DockyardError at a limit, as `process.run` does.
        """
        loader, libraries = self._loader()
        view = ["--bind", str(tree), "/", *_PROC_AND_DEV]
        for name in ("usr", "etc"):
            view += ["--ro-bind", str(self.root / name), f"{_TOOLS_INSIDE}/{name}"]
        for source, inside in read:
            view += ["--ro-bind", str(source), inside]
        # The program gets its own libraries in a way that its children do not inherit.
        started = [self.inside(loader), "--library-path", self.inside(libraries)]
        return _run(
            [*view, "--chdir", "/"],
            [*started, self.inside(argv[0]), *argv[1:]],
            env=env,
            check=check,
            shown=argv,
            limits=chosen_limits(),
            told=told,
        )

    @staticmethod
    def inside(path: str) -> str:
        """Where a path of the tools is while `run_in_tree` runs."""
        return f"{_TOOLS_INSIDE}{path}"

    def _loader(self) -> tuple[str, str]:
        """The paths of the dynamic loader and of the directory of its libraries."""
        loader = next(iter(sorted(self.root.glob("usr/lib*/ld-linux-*.so.*"))))
        libraries = next(iter(sorted(self.root.glob("usr/lib/*-linux-gnu"))))
        return f"/{loader.relative_to(self.root)}", f"/{libraries.relative_to(self.root)}"

    def start(
        self,
        argv: Sequence[str],
        *,
        read: Sequence[Path] = (),
        write: Sequence[Path] = (),
        devices: Sequence[Path] = (),
        network: bool = False,
        stdin: IO[bytes] | int | None = None,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        overlays: Sequence[tuple[Path, str]] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program of the tree as the calling user and return while it runs.

        devices: device nodes of the host that the program may use. network: leave it the host's
        network. The program dies with the thread that started it; killing the returned process
        kills the program. Streams and pass_fds are as in `process.start`, overlays as in `run`.
        """
        wrapped = [*_APART, "--unshare-user", *(() if network else ("--unshare-net",))]
        wrapped += ["--cap-drop", "ALL"]
        laid = [*overlays, *(self._resolver() if network else ())]
        wrapped += self._bindings(read, write, None, laid)
        for device in devices:
            wrapped += ["--dev-bind", str(device), str(device)]
        with seccomp.descriptor(sync=True) as filter_:
            return start(
                [*wrapped, "--seccomp", str(filter_), *argv],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=env,
                pass_fds=[*pass_fds, filter_],
            )

    def _resolver(self) -> tuple[tuple[Path, str], ...]:
        """The host's list of name servers, laid over the tree's own where it has one."""
        inside = "/etc/resolv.conf"
        return ((Path(inside), inside),) if (self.root / inside[1:]).is_file() else ()

    def _bindings(
        self,
        read: Sequence[Path],
        write: Sequence[Path],
        cwd: Path | None,
        overlays: Sequence[tuple[Path, str]],
    ) -> list[str]:
        # The root is a fresh tmpfs, so that any mount point can be made without touching the tools
        # tree.
        argv = ["--tmpfs", "/"]
        for name in ("usr", "etc", "var", "opt"):
            if (self.root / name).is_dir():
                argv += ["--ro-bind", str(self.root / name), f"/{name}"]
        for target, link in _LINKS:
            argv += ["--symlink", target, link]
        argv += [*_PROC_AND_DEV, "--tmpfs", "/tmp", "--tmpfs", "/run"]
        argv += ["--tmpfs", "/var/tmp"] if (self.root / "var/tmp").is_dir() else []
        for host, inside in overlays:
            argv += ["--ro-bind", str(host), inside]
        for how, paths in (("--ro-bind", read), ("--bind", write)):
            for path in paths:
                if not path.is_absolute():
                    raise ValueError(f"the sandbox has no directory to read {path} from")
                argv += [how, str(path), str(path)]
        argv += ["--chdir", str(cwd) if cwd else "/"]
        return argv


def run_in_tree(
    tree: Path,
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    stdout: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    read: Sequence[tuple[Path, str]] = (),
    timeout: float | None = None,
    told: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program of an image inside its tree, writable, with /dev, /proc, /tmp and /run of its
    own and no network.

    stdout: a file for what is to be had whole; of what is captured the middle may be left out.
    read: (host path, path in the tree) pairs bound read-only; the mount points must be there, or
    below /run or /tmp. Raises ProcessFailed as `process.run` does.
    """
    view = ["--bind", str(tree), "/"]
    view += [*_PROC_AND_DEV, "--tmpfs", "/tmp", "--tmpfs", "/run"]
    for source, inside in read:
        view += ["--ro-bind", str(source), inside]
    return _run(
        [*view, "--chdir", "/"],
        argv,
        stdin=stdin,
        stdout=stdout,
        env=env,
        check=check,
        timeout=timeout,
        limits=chosen_limits(),
        told=told,
    )


def confinement(tree: Path, *, network: bool) -> list[str]:
    """The beginning of a command line that runs a program inside an image's tree, writable, with
    the terminal of the caller. network: leave it the host's.
    """
    left_out = {"--new-session", *(("--unshare-net",) if network else ())}
    view = ["--bind", str(tree), "/", *_PROC_AND_DEV, "--tmpfs", "/tmp", "--tmpfs", "/run"]
    return [*(word for word in _CONFINED if word not in left_out), *view, "--chdir", "/"]


@contextmanager
def lent(paths: Sequence[Path]) -> Iterator[None]:
    """Give what the caller owns of some paths, and of all below them, to the root of images for the
    length of a block, and back afterwards with what was made there; but no set-id bits, with which
    others could become the caller.
    """
    caller = namespace.caller()
    mine = [path for path in paths if caller and os.lstat(path).st_uid == caller]
    for path in mine:
        _give(path, caller, 0)
    try:
        yield
    finally:
        for path in mine:
            _give(path, 0, caller)


def _give(path: Path, old: int, new: int) -> None:
    pending = [os.fspath(path)]
    while pending:
        name = pending.pop()
        found = os.lstat(name)
        if found.st_uid == old:
            os.chown(name, new, new, follow_symlinks=False)
            # chown(2) takes them from files.
            if found.st_mode & 0o6000 and new == 0:
                os.chmod(name, found.st_mode & 0o7777)  # noqa: PTH101 (a name, many times)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(name) as entries:
                pending += [entry.path for entry in entries]


def _run(
    view: Sequence[str],
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    check: bool,
    stdin: bytes | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    timeout: float | None = None,
    shown: Sequence[str] | None = None,
    limits: Limits | None = None,
    told: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program confined, with a view of the files."""
    inner = namespace.confined()
    with seccomp.descriptor() as filter_:
        return run(
            [*_CONFINED, "--userns2", str(inner), "--seccomp", str(filter_), *view, *argv],
            stdin=stdin,
            stdout=stdout,
            env=env,
            check=check,
            shown=shown or argv,
            timeout=timeout,
            pass_fds=[filter_, inner],
            first=conditions(limits),
            as_root=True,
            limits=limits,
            told=told,
        )
