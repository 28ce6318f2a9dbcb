"""Runs programs of a tools tree, or of an image's tree, in a bubblewrap sandbox without network.

`Tools` runs programs that Dockyard brought itself: the tree is read-only, and a program sees of
the host only the paths that are named, at the same paths. `run_in_tree` runs a program of an image
inside that image's own tree.

Both need `namespace.enter()` before, because a program may give files to any id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dockyard.host.process import Completed, run

_BWRAP = (
    "bwrap",
    "--die-with-parent",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-add",
    "ALL",
)
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
    ) -> Completed:
        """Run a program of the tree.

        read, write: host paths that the program sees, at the same paths, read-only or writable.
        overlays: (host path, path in the sandbox) pairs, read-only, laid over the tree's own files.
        Raises ProcessFailed as `process.run` does.
        """
        return run(
            [*self._bwrap(read, write, cwd, overlays), *argv],
            stdin=stdin,
            stdout=stdout,
            env=env,
            check=check,
            shown=argv,
            timeout=timeout,
        )

    def _bwrap(
        self,
        read: Sequence[Path],
        write: Sequence[Path],
        cwd: Path | None,
        overlays: Sequence[tuple[Path, str]],
    ) -> list[str]:
        # The root is a fresh tmpfs, so that any mount point can be made without touching the tools
        # tree.
        argv = [*_BWRAP, "--tmpfs", "/"]
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
    wrapped = [*_BWRAP, "--hostname", "localhost", "--bind", str(tree), "/"]
    wrapped += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]
    for source, inside in read:
        wrapped += ["--ro-bind", str(source), inside]
    wrapped += ["--chdir", cwd]
    return run([*wrapped, *argv], stdin=stdin, env=env, check=check, shown=argv, timeout=timeout)
