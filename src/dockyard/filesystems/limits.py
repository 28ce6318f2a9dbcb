"""What a file system, or the program that writes it, cannot hold: rules, and refusals by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dockyard.archive import Archive, Entry
from dockyard.archive.entry import path_text
from dockyard.archive.flags import XATTR_FLAGS
from dockyard.errors import DockyardError, Problem

_PATHS_SHOWN = 10


FIX_XATTR = "remove the attributes in a script of the image"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of a file system: `breaks` is true for the entries that it cannot hold. why: what
    limits it, where that is not the file system itself. named: which attributes break it.
    """

    code: str
    what: str
    breaks: Callable[[Entry], object]
    fix: str = ""
    why: str = ""
    named: Callable[[Entry], Iterable[bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Unheld:
    """Something of a tree that a kind of file system cannot hold. rule: the code of the limit.
    path: absolute. line: that, and what of it is too much, for a person.
    """

    kind: str
    rule: str
    path: str
    line: str


def xattr_limit(
    code: str, what: str, breaks: Callable[[bytes, bytes], object], fix: str = "", why: str = ""
) -> Limit:
    """A limit of single extended attributes: `breaks` gets the name and the value of each."""

    def named(entry: Entry) -> list[bytes]:
        others = (pair for pair in entry.xattrs if pair[0] != XATTR_FLAGS)
        return [name for name, value in others if breaks(name, value)]

    return Limit(code, what, named, fix, why, named)


LONG_NAME = Limit("long-name", "names of more than 255 bytes", lambda e: len(e.name) > 255)
LONG_TARGET = Limit(
    "long-target", "symbolic links of more than 4095 bytes", lambda e: len(e.target) > 4095
)
DEVICE_NUMBER = Limit(
    "device-number",
    "devices with a major number over 4095 or a minor number over 1048575",
    lambda e: e.rdev[0] > 4095 or e.rdev[1] > 1048575,
)


def refusals(archive: Archive, name: str, rules: Iterable[Limit], at: bytes = b"") -> list[Problem]:
    """One problem for each rule that some entry breaks. at: where it is mounted in the image."""
    broken: dict[str, list[Entry]] = {}
    known = tuple(rules)
    for entry in archive:
        for rule in broken_rules(entry, known):
            broken.setdefault(rule.code, []).append(entry)
    return [
        refusal(
            name,
            rule,
            path_at(at, broken[rule.code][0].path),
            [line_of(rule, entry, at) for entry in broken[rule.code]],
        )
        for rule in known
        if rule.code in broken
    ]


def broken_rules(entry: Entry, rules: Iterable[Limit]) -> Iterator[Limit]:
    """The rules that an entry breaks."""
    return (rule for rule in rules if rule.breaks(entry))


def path_at(at: bytes, path: bytes) -> str:
    """The path in the image of what a file system has, for a person. at: where it is mounted."""
    return path_text(b"/".join(part for part in (at, path) if part))


def refusal(name: str, rule: Limit, first: str, lines: Sequence[str]) -> Problem:
    """The problem of a rule. first: the first path that breaks it, lines: of all that do."""
    listed = [*lines[:_PATHS_SHOWN]]
    if (more := len(lines) - _PATHS_SHOWN) > 0:
        listed.append(f"and {more} more")
    return Problem(
        code=f"filesystems.{rule.code}",
        what=f"{name} cannot hold {rule.what}",
        where=first,
        why=rule.why,
        fix=rule.fix or "remove them from the image, or choose ext4 or erofs for this file system",
        excerpt=tuple(listed) if len(lines) > 1 or rule.named else (),
    )


def line_of(rule: Limit, entry: Entry, at: bytes) -> str:
    """What breaks a rule: a path, and the attributes that do."""
    path = path_at(at, entry.path)
    if rule.named is None:
        return path
    # As of a path: what is not printable is escaped.
    names = ", ".join(path_text(name).removeprefix("/") for name in rule.named(entry))
    return f"{path}: {names}"


def check_label(name: str, label: str, longest: int) -> None:
    """Raise DockyardError for a label that a file system cannot hold; programs cut it silently."""
    if len(label.encode()) > longest:
        raise DockyardError(
            Problem(
                code="filesystems.long-label",
                what=f"the label {label} is too long for {name}",
                why=f"it holds {longest} bytes",
                fix="choose a shorter label",
            )
        )
