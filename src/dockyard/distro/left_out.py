"""What the scripts that a conversion leaves out would have made, and the package itself does not.

The upstream package answers for what its payload has, what its own files of sysusers.d and
tmpfiles.d name, and nothing needs an answer that the declarations leave out. What is left is noted
beside the converted package; `undeclared` warns of what no declaration answers either.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from dockyard.distro.dropped import Act, Did, acts
from dockyard.distro.paths import Globs, exact, merged
from dockyard.engine.codec import decode, encode
from dockyard.packages.deb.package import DebPackage
from dockyard.packages.rpm.contents import PackagedFile

NOTE = "left-out.json"

SYSUSERS = "/usr/lib/sysusers.d/"
TMPFILES = "/usr/lib/tmpfiles.d/"


@dataclass(frozen=True)
class Upstream:
    """What an upstream package brings. files: of its payload, by their places in the RPM. here:
    what its declaration drops; everywhere, kept: what all packages drop, and do not.
    """

    files: Mapping[str, PackagedFile]
    here: Globs
    everywhere: Globs
    kept: Globs

    def left(self, deb: DebPackage) -> tuple[Act, ...]:
        """The acts of its scripts that it does not answer for itself."""
        return tuple(
            part for act in acts(deb) for part in self._parts(act) if not self._answers(part)
        )

    def _parts(self, act: Act) -> list[Act]:
        """An act; the accounts of a dropped file each on its own."""
        if act.did is Did.SYSUSERS and (files := self._sysusers(act.subject)):
            names = sorted({name for names, stays in files if not stays for name in names})
            return [replace(act, did=Did.ACCOUNT, subject=name) for name in names]
        return [act]

    def _answers(self, act: Act) -> bool:
        if act.did is Did.SYSUSERS:
            return act.subject == "*.conf"  # all files of the package: it has none
        if act.did is Did.ACCOUNT:
            return any(act.subject in names for names, stays in self._sysusers("*") if stays)
        path = place_of(act)
        if path.startswith("/") and self._drops(path):
            return True
        return self._makes(path) or (act.did is Did.DIRECTORY and path in self._paths)

    def _drops(self, path: str) -> bool:
        """Whether the declarations leave out what would be there."""
        return self.here.match(path) or (self.everywhere.match(path) and not self.kept.match(path))

    @cached_property
    def _paths(self) -> set[str]:
        """Every path that is not dropped, with all above it."""
        return {
            above for path in self.files if not self._drops(path) for above in with_parents(path)
        }

    def _makes(self, path: str) -> bool:
        """Whether a file of tmpfiles.d that stays names the path."""
        return any(
            path in places(text) for name, text in self._texts(TMPFILES) if name in self._paths
        )

    def _sysusers(self, name: str) -> list[tuple[set[str], bool]]:
        """The accounts of its files of sysusers.d (name: a glob), and whether each file stays."""
        fitting = exact(SYSUSERS + name)
        return [
            (set(accounts(text)), path in self._paths)
            for path, text in self._texts(SYSUSERS)
            if fitting.fullmatch(path)
        ]

    def _texts(self, below: str) -> Iterator[tuple[str, str]]:
        for path, file in self.files.items():
            if path.startswith(below) and file.is_regular:
                yield path, bytes(file.data).decode(errors="replace")


def place_of(act: Act) -> str:
    """The path that an act is about, as packages have it; only those that begin with / are known
    whole.
    """
    path = act.subject
    return merged(path.lstrip("/")) if path.startswith("/") else path


def write_note(left: Iterable[Act], result: Path) -> None:
    """Note what is left in the result of a conversion; nothing, where nothing is."""
    if found := tuple(left):
        (result / NOTE).write_text(json.dumps(encode(found)))


def read_note(result: Path) -> tuple[Act, ...]:
    """What is noted in the result of a conversion."""
    note = result / NOTE
    return decode(tuple[Act, ...], json.loads(note.read_text())) if note.is_file() else ()


def accounts(text: str) -> Iterable[str]:
    """The users and groups that lines of sysusers.d(5) make."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0].rstrip("!") in ("u", "g"):
            yield words[1].strip('"')


def places(text: str) -> set[str]:
    """The paths that lines of tmpfiles.d(5) name, with every directory above them."""
    lines = (line.split() for line in text.splitlines() if line[:1] not in ("#", ""))
    return {
        place
        for words in lines
        if len(words) > 1
        for place in with_parents(words[1].strip('"').replace("/var/run/", "/run/"))
    }


def with_parents(path: str) -> Iterable[str]:
    """A path and every directory above it, but for the root."""
    while path not in ("/", ""):
        yield path
        path = posixpath.dirname(path)
