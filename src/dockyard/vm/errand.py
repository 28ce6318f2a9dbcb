"""What a guest does for the host before a person or a command comes in: mounts that are shared with
it, and files that are copied into it.

The script and the bytes of the files go over the port of `script`, one after the other: the guest
takes each file from it with head(1), which reads no byte more than it is asked for. When all is in
place, it waits for more scripts until the machine ends.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.errors import DockyardError, Problem
from dockyard.vm.script import HEADER, framed

_CHUNK = 1 << 18

_BEGIN = """\
cd /
why=/run/dockyard/why
fail() {
    say trouble - 1 "$1: $(tail -n 5 $why)"
    exit 1
}
directory() {
    mkdir -p -- "$2" 2>$why && chmod "$1" -- "$2" 2>$why || fail "$2"
}
file() {
    mkdir -p -- "${4%/*}/" 2>$why || fail "$4"
    [ ! -d "$4" ] || { echo 'a directory is there' >$why; fail "$4"; }
    head -c "$2" <&3 >"$4" 2>$why || fail "$4"
    chmod "$1" -- "$4" 2>$why && touch -d "@$3" -- "$4" 2>$why || fail "$4"
}
link() {
    mkdir -p -- "${2%/*}/" 2>$why && ln -sfn -- "$1" "$2" 2>$why || fail "$2"
}
share() {
    mkdir -p -- "$4" 2>$why || fail "$4"
    modprobe -q "$2" 2>$why
    mount -t "$2" -o "$3" "$1" "$4" 2>$why || fail "$4"
}
"""
_LOOP = f"""\
say ready - 0 ''
while size=$(head -c {HEADER} <&3) && [ -n "$size" ]; do
    head -c "$size" <&3 >/run/dockyard/next
    . /run/dockyard/next
done
"""

HOST_KEYS = framed(b"""\
export PATH="$PATH:/usr/sbin:/sbin"
say hostkeys - 0 "$(sshd -T 2>/dev/null | sed -n 's/^hostkey //p' | while read -r key; do
    cat "$key.pub" 2>/dev/null || ssh-keygen -y -f "$key" 2>/dev/null
done)"
""")
"""Asks for the public host keys of the SSH server, as it is set up."""


@dataclass(frozen=True, slots=True)
class Share:
    """A directory of the host that the guest sees. path: where, in the guest."""

    directory: Path
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A file or directory of the host that is copied to a path in the guest."""

    source: Path
    path: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A line of the script, and the file whose bytes it takes from the port."""

    line: str
    source: Path | None = None
    size: int = 0


class Errand:
    """The script of some shares and copies, and the bytes that follow it. Reading is done when it
    is sent; what cannot be copied is told when it is made. Raises DockyardError.
    """

    def __init__(self, shares: Sequence[Share] = (), copies: Sequence[Copy] = ()) -> None:
        problems: list[Problem] = []
        self._parts = [_mount(number, each) for number, each in enumerate(shares)]
        for each in copies:
            try:
                self._parts += _copied(each.source, each.path)
            except OSError as error:
                where, why = str(error.filename or each.source), error.strerror or str(error)
                fix = "leave it out, or correct its path and permissions"
                problems.append(Problem("vm.copy-in", "it cannot be copied", where, why, fix))
        if problems:
            raise DockyardError(*problems)

    def stream(self) -> Iterator[bytes]:
        """What is sent to the guest, in pieces. Raises DockyardError for a file that changes."""
        lines = "\n".join(part.line for part in self._parts)
        yield framed(f"{_BEGIN}{lines}\n{_LOOP}".encode(errors="surrogateescape"))
        for part in self._parts:
            if part.source is not None:
                yield from _bytes_of(part.source, part.size)


def _mount(number: int, share: Share) -> _Part:
    options = "trans=virtio,version=9p2000.L,msize=262144," + ("ro" if share.read_only else "rw")
    return _Part(shlex.join(["share", tag(number), "9p", options, share.path]))


def tag(number: int) -> str:
    """The name by which a guest mounts a share, by its place."""
    return f"dockyard{number}"


def _copied(source: Path, path: str) -> Iterator[_Part]:
    """The parts of one source: a link that is named is followed, others are copied as links."""
    found = source.stat()
    yield from _part(source, path, found)
    if stat.S_ISDIR(found.st_mode):
        for directory, names, files in os.walk(source, onerror=_raise):
            names.sort()
            for name in sorted([*names, *files]):
                below = Path(directory, name)
                inside = f"{path.rstrip('/')}/{os.fsdecode(below.relative_to(source))}"
                yield from _part(below, inside, below.lstat())


def _part(source: Path, path: str, found: os.stat_result) -> Iterator[_Part]:
    mode = f"{stat.S_IMODE(found.st_mode) & 0o777:o}"
    if stat.S_ISDIR(found.st_mode):
        yield _Part(shlex.join(["directory", mode, path]))
    elif stat.S_ISLNK(found.st_mode):
        yield _Part(shlex.join(["link", os.fsdecode(source.readlink()), path]))
    elif stat.S_ISREG(found.st_mode):
        with source.open("rb"):  # what may not be read is told now
            pass
        size = found.st_size
        words = ["file", mode, str(size), str(int(found.st_mtime)), path]
        yield _Part(shlex.join(words), source, size)
    else:
        raise OSError(22, "it is neither a file nor a directory nor a link", str(source))


def _raise(error: OSError) -> None:
    raise error


def _bytes_of(source: Path, size: int) -> Iterator[bytes]:
    left = size
    with source.open("rb") as file:
        while left and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece
    if left:
        what = "a file became shorter while it was copied into the guest"
        raise DockyardError(Problem("vm.copy-in", what, str(source), fix="run it again"))
