"""Runs programs of a tools tree, or of an image's tree, in a bubblewrap sandbox without network.

`Tools` runs programs that Dockyard brought itself: the tree is read-only, and a program sees of
the host only the paths that are named, at the same paths. `run_in_tree` runs a program of an image
inside that image's own tree.

Both need `namespace.enter()` before, because a program may give files to any id. `Tools.start` is
for programs that only read and write files of the caller's: it works without the namespace, and
inside it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dockyard.host import seccomp
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
_BWRAP = (*_APART, "--unshare-net", "--cap-add", "ALL")
_LINKS = (("usr/bin", "/bin"), ("usr/sbin", "/sbin"), ("usr/lib", "/lib"), ("usr/lib64", "/lib64"))


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
        chroots: Sequence[Path] = (),
    ) -> Completed:
        """Run a program of the tree.

        read, write: host paths that the program sees, at the same paths, read-only or writable.
        chroots: trees below `write` that the program enters with chroot(2): their existing
        directories dev and proc are in use while it runs, and empty again afterwards.
        overlays: (host path, path in the sandbox) pairs, read-only, laid over the tree's own files.
        Raises ProcessFailed as `process.run` does.
        """
        inner = [part for tree in chroots for part in ("--dev", f"{tree}/dev")]
        inner += [part for tree in chroots for part in ("--proc", f"{tree}/proc")]
        return _run(
            [*self._bindings(read, write, cwd, overlays), *inner],
            argv,
            stdin=stdin,
            stdout=stdout,
            env=env,
            check=check,
            timeout=timeout,
        )

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
    ) -> subprocess.Popen[bytes]:
        """Start a program of the tree as the calling user and return while it runs.

        devices: device nodes of the host that the program may use. network: leave it the host's
        network. The program dies with the thread that started it; killing the returned process
        kills the program. Streams and pass_fds are as in `process.start`.
        """
        wrapped = [*_APART, "--unshare-user", *(() if network else ("--unshare-net",))]
        wrapped += self._bindings(read, write, None, self._resolver() if network else ())
        for device in devices:
            wrapped += ["--dev-bind", str(device), str(device)]
        return start(
            [*wrapped, *argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            pass_fds=pass_fds,
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
        argv += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]
        argv += ["--tmpfs", "/var/tmp"] if (self.root / "var/tmp").is_dir() else []
        for host, inside in overlays:
            argv += ["--ro-bind", str(host), inside]
        for path in read:
            argv += ["--ro-bind", str(path), str(path)]
        for path in write:
            argv += ["--bind", str(path), str(path)]
        argv += ["--chdir", str(cwd) if cwd else "/"]
        return argv


def run_in_tree(
    tree: Path,
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    check: bool = True,
    read: Sequence[tuple[Path, str]] = (),
    timeout: float | None = None,
) -> Completed:
    """Run a program of an image inside its tree, writable, with /dev, /proc, /tmp and /run of its
    own and no network.

    read: (host path, path in the tree) pairs bound read-only; the mount points must be below /run
    or /tmp. Raises ProcessFailed as `process.run` does.
    """
    view = ["--hostname", "localhost", "--bind", str(tree), "/"]
    view += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]
    for source, inside in read:
        view += ["--ro-bind", str(source), inside]
    view += ["--chdir", cwd]
    return _run(view, argv, stdin=stdin, env=env, check=check, timeout=timeout)


def _run(
    view: Sequence[str],
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None,
    env: Mapping[str, str] | None,
    check: bool,
    timeout: float | None,
    stdout: IO[bytes] | None = None,
) -> Completed:
    """Run a program in a sandbox with a view of the files, never waiting for the disk."""
    with seccomp.descriptor() as number:
        return run(
            [*_BWRAP, "--seccomp", str(number), *view, *argv],
            stdin=stdin,
            stdout=stdout,
            env=env,
            check=check,
            shown=argv,
            timeout=timeout,
            pass_fds=[number],
        )
