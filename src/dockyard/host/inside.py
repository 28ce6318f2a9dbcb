"""Runs a program of an image inside its tree with this process's terminal, for a person.

As `sandbox` confines programs of images, but for what takes a terminal: it is the one of the
caller. Input cannot be pushed into it for who reads it afterwards: `seccomp` refuses that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dockyard.host import namespace, seccomp, stopping
from dockyard.host.conditions import conditions
from dockyard.host.process import start
from dockyard.host.sandbox import confinement
from dockyard.host.window import settings_kept, terminal_kind

_NOT_FOUND = 127
_RESOLVER = "etc/resolv.conf"


def run_at_terminal(tree: Path, argv: Sequence[str], *, network: bool) -> int:
    """Run a program of an image, as root of its tree, to its end: its exit status, as a shell has
    it. network: leave it the host's. Needs `namespace.enter()` before.
    """
    inner = namespace.confined()
    if network:
        _name_servers(tree)
    environment = {"TERM": terminal_kind(), "HOME": "/root"}
    with seccomp.descriptor() as filter_, settings_kept():
        process = start(
            [
                *confinement(tree, network=network),
                *("--userns2", str(inner), "--seccomp", str(filter_)),
                *("/bin/sh", "-c", '"$@"; exit $?', "sh", *argv),
            ],
            stdin=sys.stdin.fileno(),
            stdout=sys.stdout.fileno(),
            stderr=sys.stderr.fileno(),
            env=environment,
            pass_fds=[filter_, inner],
            first=conditions(),
            as_root=True,
        )
        with stopping.killable(process):
            status = process.wait()
    return status if status >= 0 else 128 - status


def _name_servers(tree: Path) -> None:
    """Give the tree the host's list of name servers."""
    path = tree / _RESOLVER
    with suppress(OSError):
        text = Path("/", _RESOLVER).read_text()
        if path.parent.is_symlink() or not path.parent.is_dir():
            return
        path.unlink(missing_ok=True)
        path.write_text(text)
        os.chown(path, 0, 0)
