"""What an RPM holds, as plain data: identity, relations, files, scriptlets.

The names and numbers of flags are rpm's own (rpmds.h, rpmfiles.h, rpmvf.h).
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag

ALL_CHECKS = 0xFFFFFFFF


class Sense(IntFlag):
    """The flags of a relation: how versions compare, and what it is for."""

    ANY = 0
    LESS = 1 << 1
    GREATER = 1 << 2
    EQUAL = 1 << 3
    PREREQ = 1 << 6
    INTERP = 1 << 8
    SCRIPT_PRE = 1 << 9
    SCRIPT_POST = 1 << 10
    SCRIPT_PREUN = 1 << 11
    SCRIPT_POSTUN = 1 << 12
    TRIGGERIN = 1 << 16
    TRIGGERUN = 1 << 17
    TRIGGERPOSTUN = 1 << 18
    RPMLIB = 1 << 24
    CONFIG = 1 << 28

    @property
    def comparison(self) -> Sense:
        return self & (Sense.LESS | Sense.GREATER | Sense.EQUAL)


OPERATORS: dict[str, Sense] = {
    "<": Sense.LESS,
    "<=": Sense.LESS | Sense.EQUAL,
    "=": Sense.EQUAL,
    ">=": Sense.GREATER | Sense.EQUAL,
    ">": Sense.GREATER,
}
OPERATOR_TEXT: dict[int, str] = {int(sense): text for text, sense in OPERATORS.items()}


class FileFlag(IntFlag):
    """The flags of a file."""

    NONE = 0
    CONFIG = 1 << 0
    DOC = 1 << 1
    MISSINGOK = 1 << 3
    NOREPLACE = 1 << 4
    GHOST = 1 << 6
    LICENSE = 1 << 7
    ARTIFACT = 1 << 12


class Verify(IntFlag):
    """What `rpm -V` compares of a file."""

    DIGEST = 1 << 0
    SIZE = 1 << 1
    LINK = 1 << 2
    OWNER = 1 << 3
    GROUP = 1 << 4
    MTIME = 1 << 5
    MODE = 1 << 6
    RDEV = 1 << 7
    CAPS = 1 << 8


@dataclass(frozen=True, slots=True, order=True)
class RpmRelation:
    """A dependency: `name`, `name op version`, or a rich one, whose name is `(…)`."""

    name: str
    sense: Sense = Sense.ANY
    version: str = ""

    def __str__(self) -> str:
        operator = OPERATOR_TEXT.get(int(self.sense.comparison))
        return f"{self.name} {operator} {self.version}" if operator else self.name

    @property
    def rich(self) -> bool:
        return self.name.startswith("(")


def parse_relation(text: str, extra: Sense = Sense.ANY) -> RpmRelation:
    """A relation from its text. Raises ValueError with what is wrong."""
    text = text.strip()
    if text.startswith("("):
        if not text.endswith(")") or text.count("(") != text.count(")"):
            raise ValueError(f"the brackets of {text!r} do not match")
        return RpmRelation(" ".join(text.split()), extra)
    parts = text.split()
    if len(parts) == 1 and not any(sign in text for sign in "<>="):
        return RpmRelation(text, extra)
    if len(parts) == 3 and parts[1] in OPERATORS:
        return RpmRelation(parts[0], OPERATORS[parts[1]] | extra, parts[2])
    raise ValueError(f"{text!r} is neither a name nor a name, an operator (< <= = >= >), a version")


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One path of a package.

    path: absolute; bytes that are not UTF-8 as surrogates. mode: the whole st_mode, with the
    file's type. target: the text of a symbolic link. link: members of one hard-link group have
    the same value, which is not 0; their mode, owner and data are the same.
    mtime: seconds. verify: bits of `Verify`.
    """

    path: str
    mode: int
    data: bytes | memoryview = b""
    target: str = ""
    owner: str = "root"
    group: str = "root"
    mtime: int = 0
    flags: FileFlag = FileFlag.NONE
    verify: int = ALL_CHECKS
    capabilities: str = ""
    link: int = 0

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_regular(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def size(self) -> int:
        if stat.S_ISLNK(self.mode):
            return len(self.target.encode("utf-8", "surrogateescape"))
        return len(self.data)


@dataclass(frozen=True, slots=True)
class PackageScriptlet:
    """event: one of pre, post, preun, postun, pretrans, posttrans. interpreter: program and
    arguments; script: "" when the program runs alone.
    """

    event: str
    interpreter: tuple[str, ...] = ("/bin/sh",)
    script: str = ""


@dataclass(frozen=True, slots=True)
class FileTrigger:
    """A file trigger: runs when paths below its prefixes come (in), go (un) or have gone (postun).

    per_transaction: once at the end (or beginning, for un) of a transaction, not per package.
    """

    event: str
    paths: tuple[str, ...]
    interpreter: str = "/bin/sh"
    script: str = ""
    per_transaction: bool = True
    priority: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the changelog. time: seconds; rpm's tools show it as a day."""

    time: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """All that goes into an RPM's header and payload, but what follows from it (digests, sizes,
    rpmlib() requires, requires of scriptlets' interpreters).

    build_time: also the time that no file may be newer than (callers clamp).
    """

    name: str
    version: str
    release: str
    summary: str
    license: str
    architecture: str = "noarch"
    epoch: int | None = None
    description: str = ""
    url: str = ""
    vendor: str = ""
    distribution: str = ""
    packager: str = ""
    group: str = "Unspecified"
    source: str = ""
    build_time: int = 0
    requires: Sequence[RpmRelation] = ()
    provides: Sequence[RpmRelation] = ()
    conflicts: Sequence[RpmRelation] = ()
    obsoletes: Sequence[RpmRelation] = ()
    recommends: Sequence[RpmRelation] = ()
    suggests: Sequence[RpmRelation] = ()
    supplements: Sequence[RpmRelation] = ()
    enhances: Sequence[RpmRelation] = ()
    files: Sequence[PackagedFile] = ()
    scriptlets: Sequence[PackageScriptlet] = ()
    triggers: Sequence[FileTrigger] = ()
    changelog: Sequence[Change] = field(default=())

    @property
    def evr(self) -> str:
        prefix = f"{self.epoch}:" if self.epoch else ""
        return f"{prefix}{self.version}-{self.release}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"
