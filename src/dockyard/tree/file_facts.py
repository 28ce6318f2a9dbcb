"""Facts about files: what stat(1) and sha256sum(1) print of them in a running image.

Many paths go into one question, for each program that is started costs milliseconds in a guest that
is translated. A question stays so small that its script can be one argument of a shell, and that
its bytes are digested within the time of a check.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dockyard.errors import Position
from dockyard.tree.check import SECONDS, Check

T = TypeVar("T")

# Linux takes 128 KiB in one argument; the shell's script is one.
_MOST_SCRIPT = 64 << 10
_MOST_DIGESTED = 48 << 20
_DIGEST_SECONDS = 90
# What ls says of directories, a heading and names after an empty line, as whole paths.
_WHOLE_PATHS = r"sed -n '1d;/^$/{n;s/:$//;h;d};G;s/\(.*\)\n\(.*\)/\2\/\1/p'"


@dataclass(frozen=True, slots=True)
class FileFact:
    """What a path is to be. mode: with the bits of its kind, as st_mode has them; None on a file
    system without modes and owners, where a file has a size and a digest.

    size: bytes, of a regular file. digest: SHA-256 in hex; None not to ask for it. target: of a
    symbolic link. Text that is not UTF-8 has its odd bytes as lone surrogates.
    """

    path: str
    mode: int | None
    uid: int = 0
    gid: int = 0
    size: int | None = None
    digest: str | None = None
    target: str | None = None

    @property
    def line(self) -> str:
        """What stat prints: `-rw-r--r-- 0:0 12 /etc/motd`, `lrwxrwxrwx 0:0 /bin -> usr/bin`, and
        without modes `12 /boot/efi/EFI/BOOT/BOOTX64.EFI`.
        """
        if self.mode is None:
            return f"{self.size} {self.path}"
        size = "" if self.size is None else f"{self.size} "
        target = "" if self.target is None else f" -> {self.target}"
        return f"{stat.filemode(self.mode)} {self.uid}:{self.gid} {size}{self.path}{target}"

    @property
    def digest_line(self) -> str:
        """What sha256sum prints: a name with a backslash or newline is escaped, and marked so."""
        escaped = self.path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "\\" if escaped != self.path else ""
        return f"{mark}{self.digest}  {escaped}"


def file_checks(
    id: str, title: str, facts: Sequence[FileFact], position: Position | None = None
) -> list[Check]:
    """The checks that files are as the facts say; more than one only where there are many."""
    groups = list(_groups(facts))
    found = []
    for part, part_title, group in _parts(id, title, groups):
        script, expect = _question(group)
        digested = any(fact.digest for fact in group)
        seconds = _DIGEST_SECONDS if digested and len(group) > 1 else SECONDS
        found.append(Check(part, part_title, script, expect, position, seconds))
    return found


def name_checks(
    id: str, title: str, directories: Mapping[str, Sequence[str]], passed_over: Sequence[str]
) -> list[Check]:
    """The checks that directories have these names in them, and no others but those passed over."""
    patterns = " ".join(f"-e {shlex.quote(name)}" for name in passed_over)
    found = []
    paths = sorted(directories, key=os.fsencode)
    groups: list[list[str]] = [[]]
    room = _MOST_SCRIPT
    for path in paths:
        room -= len(os.fsencode(shlex.quote(path))) + 1
        if room < 0:
            groups.append([])
            room = _MOST_SCRIPT
        groups[-1].append(path)
    for part, part_title, group in _parts(id, title, groups):
        listed = " ".join(map(shlex.quote, group))
        # With a file before it, ls gives a heading to a directory that is alone, too.
        script = f"ls -1Ab -- /dev/null {listed} | grep -vxF {patterns} | {_WHOLE_PATHS}"
        lines = []
        for path in group:
            names = sorted(set(directories[path]) - set(passed_over), key=os.fsencode)
            lines += [f"{_escaped(path, ':')}/{_escaped(name)}" for name in names]
        expect = "\n".join(lines)
        found.append(Check(part, part_title, script, expect, seconds=_DIGEST_SECONDS))
    return found


def _parts(id: str, title: str, groups: Sequence[T]) -> Iterator[tuple[str, str, T]]:
    """Groups with the ids and titles of their checks, numbered where there are several."""
    if len(groups) == 1:
        yield id, title, groups[0]
        return
    for number, group in enumerate(groups, 1):
        yield f"{id}.{number}", f"{title} (part {number} of {len(groups)})", group


def _escaped(name: str, special: str = " ") -> str:
    """A name as `ls -b` prints it in the C locale; in a heading, colons are special, not blanks."""
    marked = {"\\": r"\\", **{char: f"\\{char}" for char in special}}
    marked |= dict(zip("\a\b\t\n\v\f\r", (f"\\{char}" for char in "abtnvfr"), strict=True))
    return "".join(
        marked.get(chr(byte)) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        for byte in os.fsencode(name)
    )


def _groups(facts: Sequence[FileFact]) -> Iterator[list[FileFact]]:
    group: list[FileFact] = []
    script = digested = 0
    for fact in facts:
        # A path stands in the script for stat, and again for sha256sum.
        cost = len(os.fsencode(shlex.quote(fact.path))) * (2 if fact.digest else 1) + 2
        more = (fact.size or 0) if fact.digest else 0
        if group and (script + cost > _MOST_SCRIPT or digested + more > _MOST_DIGESTED):
            yield group
            group, script, digested = [], 0, 0
        group.append(fact)
        script, digested = script + cost, digested + more
    if group:
        yield group


def _question(facts: Sequence[FileFact]) -> tuple[str, str]:
    plain = [fact for fact in facts if fact.mode is None]
    sized = [fact for fact in facts if fact.mode is not None and fact.size is not None]
    other = [fact for fact in facts if fact.mode is not None and fact.size is None]
    digested = [fact for fact in facts if fact.digest is not None]
    lines = []
    for command, some in (
        ("stat -c '%s %n'", plain),
        ("stat -c '%A %u:%g %s %n'", sized),
        ("QUOTING_STYLE=literal stat -c '%A %u:%g %N'", other),
        ("sha256sum", digested),
    ):
        if some:
            lines.append(f"{command} -- {' '.join(shlex.quote(fact.path) for fact in some)}")
    expect = [fact.line for fact in (*plain, *sized, *other)] + [
        fact.digest_line for fact in digested
    ]
    return "\n".join(lines), "\n".join(expect)
