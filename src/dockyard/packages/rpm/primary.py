"""primary.xml of rpm-md: what a repository says about each package (createrepo_c's format).

Writes the metadata of packages that lie in a directory without any, out of their own headers, with
every file named, so that no second index is needed. Brings a fetched primary.xml into an order of
its own, so that what is solved does not depend on the order in which a repository was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from dockyard.packages.rpm.header import Header, Tag

_LESS, _GREATER, _EQUAL = 2, 4, 8
_COMPARISONS = {
    _LESS: "LT",
    _GREATER: "GT",
    _EQUAL: "EQ",
    _LESS | _EQUAL: "LE",
    _GREATER | _EQUAL: "GE",
}
# RPMSENSE_PREREQ, _SCRIPT_PRE and _SCRIPT_POST: needed in place before files or a scriptlet.
_PRE = 1 << 6 | 1 << 9 | 1 << 10
_DIRECTORY = 0o040000
_FORMAT_BITS = 0o170000
_GHOST = 1 << 6
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<metadata xmlns="http://linux.duke.edu/metadata/common"'
    ' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">\n'
)
_RELATIONS = (
    ("provides", Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION),
    ("requires", Tag.REQUIRENAME, Tag.REQUIREFLAGS, Tag.REQUIREVERSION),
    ("conflicts", Tag.CONFLICTNAME, Tag.CONFLICTFLAGS, Tag.CONFLICTVERSION),
    ("obsoletes", Tag.OBSOLETENAME, Tag.OBSOLETEFLAGS, Tag.OBSOLETEVERSION),
    ("recommends", Tag.RECOMMENDNAME, Tag.RECOMMENDFLAGS, Tag.RECOMMENDVERSION),
    ("suggests", Tag.SUGGESTNAME, Tag.SUGGESTFLAGS, Tag.SUGGESTVERSION),
    ("supplements", Tag.SUPPLEMENTNAME, Tag.SUPPLEMENTFLAGS, Tag.SUPPLEMENTVERSION),
    ("enhances", Tag.ENHANCENAME, Tag.ENHANCEFLAGS, Tag.ENHANCEVERSION),
)


@dataclass(frozen=True, slots=True)
class Relation:
    """`name`, or `name comparison evr`. comparison: LT, LE, EQ, GE, GT or "". pre: see _PRE."""

    name: str
    comparison: str = ""
    evr: str = ""
    pre: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One package as an index lists it. evr: with its epoch if that is not 0.

    location: relative to the repository. relations: by kind (`provides`, `requires`, …).
    files: (path, kind) with kind "", "dir" or "ghost".
    """

    name: str
    evr: str
    arch: str
    location: str
    digest: str
    size: int
    summary: str = ""
    license: str = ""
    source: str = ""
    installed_size: int = 0
    relations: dict[str, Sequence[Relation]] = field(default_factory=dict)
    files: Sequence[tuple[str, str]] = ()


def listed(header: Header, location: str, digest: str, size: int) -> Listed:
    """A package by its main header. digest: `sha256:<hex>` of the file, size: its bytes."""
    epoch = header.number(Tag.EPOCH)
    evr = f"{header.text(Tag.VERSION)}-{header.text(Tag.RELEASE)}"
    return Listed(
        name=header.text(Tag.NAME),
        evr=f"{epoch}:{evr}" if epoch else evr,
        arch=header.text(Tag.ARCH) if Tag.SOURCERPM in header else "src",
        location=location,
        digest=digest,
        size=size,
        summary=header.text(Tag.SUMMARY),
        license=header.text(Tag.LICENSE),
        source=header.text(Tag.SOURCERPM),
        installed_size=header.number(Tag.LONGSIZE) or header.number(Tag.SIZE),
        relations={kind: tuple(_relations(header, *tags)) for kind, *tags in _RELATIONS},
        files=tuple(_files(header)),
    )


def primary_xml(packages: Iterable[Listed]) -> bytes:
    """primary.xml of these packages, in an order of its own."""
    chunks = sorted(_package(package) for package in packages)
    text = _HEAD % len(chunks) + "".join(chunks) + "</metadata>\n"
    return text.encode("utf-8", "surrogateescape")


_PACKAGE = re.compile(rb"<package\b.*?</package\s*>\s*", re.DOTALL)


def in_order(primary: bytes) -> bytes:
    """The same index with its packages sorted; unchanged when it is not laid out as usual."""
    start = primary.find(b"<package ")
    end = primary.rfind(b"</metadata>")
    if start < 0 or end < start:
        return primary
    body = primary[start:end]
    chunks = _PACKAGE.findall(body)
    if sum(map(len, chunks)) != len(body):
        return primary
    chunks.sort()
    return b"".join((primary[:start], *chunks, primary[end:]))


def _relations(header: Header, names: Tag, flags: Tag, versions: Tag) -> Iterator[Relation]:
    numbers, evrs = header.numbers(flags), header.texts(versions)
    for index, name in enumerate(header.texts(names)):
        flag = numbers[index] if index < len(numbers) else 0
        evr = evrs[index] if index < len(evrs) else ""
        if name.startswith("rpmlib("):
            continue  # features of rpm itself, not packages
        comparison = _COMPARISONS.get(flag & (_LESS | _GREATER | _EQUAL), "") if evr else ""
        yield Relation(name, comparison, evr if comparison else "", bool(flag & _PRE))


def _files(header: Header) -> Iterator[tuple[str, str]]:
    directories = header.texts(Tag.DIRNAMES)
    indexes, names = header.numbers(Tag.DIRINDEXES), header.texts(Tag.BASENAMES)
    modes, flags = header.numbers(Tag.FILEMODES), header.numbers(Tag.FILEFLAGS)
    for number, (index, name) in enumerate(zip(indexes, names, strict=False)):
        if index >= len(directories):
            continue
        mode = modes[number] if number < len(modes) else 0
        ghost = number < len(flags) and flags[number] & _GHOST
        kind = "dir" if mode & _FORMAT_BITS == _DIRECTORY else "ghost" if ghost else ""
        yield directories[index] + name, kind


def _version(evr: str) -> str:
    epoch, colon, rest = evr.rpartition(":")
    version, dash, release = rest.rpartition("-")
    if not dash:
        version, release = rest, ""
    text = f"epoch={quoteattr(epoch if colon else '0')} ver={quoteattr(version)}"
    return f"{text} rel={quoteattr(release)}" if release else text


def _package(package: Listed) -> str:
    digest = package.digest.removeprefix("sha256:")
    lines = [
        '<package type="rpm">',
        f"<name>{escape(package.name)}</name>",
        f"<arch>{escape(package.arch)}</arch>",
        f"<version {_version(package.evr)}/>",
        f'<checksum type="sha256" pkgid="YES">{digest}</checksum>',
        f"<summary>{_text(package.summary)}</summary>",
        f'<size package="{package.size}" installed="{package.installed_size}" archive="0"/>',
        f"<location href={quoteattr(package.location)}/>",
        "<format>",
        f"<rpm:license>{_text(package.license)}</rpm:license>",
        f"<rpm:sourcerpm>{_text(package.source)}</rpm:sourcerpm>",
    ]
    for kind, relations in package.relations.items():
        if relations:
            lines.append(f"<rpm:{kind}>")
            lines += [_entry(relation) for relation in relations]
            lines.append(f"</rpm:{kind}>")
    for path, kind in package.files:
        mark = f' type="{kind}"' if kind else ""
        lines.append(f"<file{mark}>{_text(path)}</file>")
    return "\n".join([*lines, "</format>", "</package>", ""])


def _entry(relation: Relation) -> str:
    text = f"<rpm:entry name={quoteattr(relation.name)}"
    if relation.comparison:
        text += f' flags="{relation.comparison}" {_version(relation.evr)}'
    return text + (' pre="1"/>' if relation.pre else "/>")


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def _text(text: str) -> str:
    # XML 1.0 has no way to write these; such file names cannot be required by name.
    return escape(_CONTROL.sub("\ufffd", text))
