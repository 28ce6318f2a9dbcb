"""primary.xml of rpm-md: what a repository says about each package (createrepo_c's format).

Writes the metadata of packages in a directory without any, out of their own headers, with
every file named, so that no second index is needed. Brings a fetched primary.xml into an order of
its own, so that what is solved does not depend on the order in which a repository was made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from dockyard.packages.rpm.contents import FileFlag, RpmRelation, Sense
from dockyard.packages.rpm.header import Header, Tag
from dockyard.packages.rpm.reader import RpmFile, evr_of, relations_of

_COMPARISONS = {
    Sense.LESS: "LT",
    Sense.GREATER: "GT",
    Sense.EQUAL: "EQ",
    Sense.LESS | Sense.EQUAL: "LE",
    Sense.GREATER | Sense.EQUAL: "GE",
}
# Needed in place before files are unpacked or a scriptlet runs.
_PRE = Sense.PREREQ | Sense.SCRIPT_PRE | Sense.SCRIPT_POST
_DIRECTORY = 0o040000
_FORMAT_BITS = 0o170000
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<metadata xmlns="http://linux.duke.edu/metadata/common"'
    ' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">\n'
)
_RELATIONS = (
    "provides",
    "requires",
    "conflicts",
    "obsoletes",
    "recommends",
    "suggests",
    "supplements",
    "enhances",
)


@dataclass(frozen=True, slots=True)
class IndexedPackage:
    """One package as an index lists it. evr: with its epoch if that is not 0.

    location: relative to the repository. relations: by kind (`provides`, `requires`, …).
    files: (path, kind) with kind "", "dir" or "ghost". built: Unix seconds, 0 when not known.
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
    relations: dict[str, Sequence[RpmRelation]] = field(default_factory=dict)
    files: Sequence[tuple[str, str]] = ()
    built: int = 0


def listed(package: RpmFile, location: str, digest: str, size: int) -> IndexedPackage:
    """A package by its headers. digest: `sha256:<hex>` of the file, size: its bytes."""
    header = package.header
    return IndexedPackage(
        name=package.name,
        evr=package.evr,
        arch=package.architecture if Tag.SOURCERPM in header else "src",
        location=location,
        digest=digest,
        size=size,
        summary=header.text(Tag.SUMMARY),
        license=header.text(Tag.LICENSE),
        source=header.text(Tag.SOURCERPM),
        installed_size=header.number(Tag.LONGSIZE) or header.number(Tag.SIZE),
        relations={kind: package.relations(kind) for kind in _RELATIONS},
        files=tuple(_files(header)),
        built=header.number(Tag.BUILDTIME),
    )


def installed(header: Header) -> IndexedPackage:
    """A package by the header that a database has of it. Raises MalformedHeader."""
    name, arch = header.text(Tag.NAME), header.text(Tag.ARCH)
    evr = evr_of(header)
    digest = hashlib.sha256(f"{name}-{evr}.{arch}".encode()).hexdigest()
    return IndexedPackage(
        name=name,
        evr=evr,
        arch=arch or "noarch",
        location=f"{name}-{evr}.{arch}",
        digest=f"sha256:{digest}",  # of no file: what is installed has none
        size=0,
        installed_size=header.number(Tag.LONGSIZE) or header.number(Tag.SIZE),
        relations={kind: relations_of(header, kind) for kind in _RELATIONS},
        files=tuple(_files(header)),
        built=header.number(Tag.BUILDTIME),
    )


def primary_xml(packages: Iterable[IndexedPackage]) -> bytes:
    """primary.xml of these packages, in an order of its own."""
    return from_chunks(chunk(package) for package in packages)


def from_chunks(chunks: Iterable[str]) -> bytes:
    """primary.xml of packages that `chunk` has written."""
    ordered = sorted(chunks)
    text = _HEAD % len(ordered) + "".join(ordered) + "</metadata>\n"
    return text.encode("utf-8", "replace")


_PACKAGE = re.compile(rb"<package\b.*?</package\s*>\s*", re.DOTALL)


_DIGEST = re.compile(rb"<checksum[^>]*>\s*([0-9a-f]{32,128})\s*</checksum>")
_TIME = re.compile(rb"<time\b[^>]*>")
_MOMENT = re.compile(rb"\b(file|build)=[\"'](\d{1,12})[\"']")


def published(primary: bytes) -> Mapping[str, int]:
    """When the packages of an index came into their repository, by the digest of each in hex: Unix
    seconds, of the file; where an index does not say that, when the package was built.
    """
    found: dict[str, int] = {}
    for package in _PACKAGE.finditer(primary):
        digest, time = _DIGEST.search(package[0]), _TIME.search(package[0])
        if not digest or not time:
            continue
        moments = {kind: int(number) for kind, number in _MOMENT.findall(time[0])}
        if moment := moments.get(b"file") or moments.get(b"build"):
            found[digest[1].decode()] = moment
    return found


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


def _files(header: Header) -> Iterator[tuple[str, str]]:
    directories = header.texts(Tag.DIRNAMES)
    indexes, names = header.numbers(Tag.DIRINDEXES), header.texts(Tag.BASENAMES)
    modes, flags = header.numbers(Tag.FILEMODES), header.numbers(Tag.FILEFLAGS)
    for number, (index, name) in enumerate(zip(indexes, names, strict=False)):
        if index >= len(directories):
            continue
        mode = modes[number] if number < len(modes) else 0
        ghost = number < len(flags) and flags[number] & FileFlag.GHOST
        kind = "dir" if mode & _FORMAT_BITS == _DIRECTORY else "ghost" if ghost else ""
        yield directories[index] + name, kind


def _version(evr: str) -> str:
    epoch, colon, rest = evr.rpartition(":")
    version, dash, release = rest.rpartition("-")
    if not dash:
        version, release = rest, ""
    text = f"epoch={_quoted(epoch if colon else '0')} ver={_quoted(version)}"
    return f"{text} rel={_quoted(release)}" if release else text


def _quoted(text: str) -> str:
    return quoteattr(_plain(text))


def chunk(package: IndexedPackage) -> str:
    """The element of one package."""
    digest = package.digest.removeprefix("sha256:")
    lines = [
        '<package type="rpm">',
        f"<name>{escape(package.name)}</name>",
        f"<arch>{escape(package.arch)}</arch>",
        f"<version {_version(package.evr)}/>",
        f'<checksum type="sha256" pkgid="YES">{digest}</checksum>',
        f"<summary>{_text(package.summary)}</summary>",
        *([f'<time build="{package.built}"/>'] if package.built else []),
        f'<size package="{package.size}" installed="{package.installed_size}" archive="0"/>',
        f"<location href={_quoted(package.location)}/>",
        "<format>",
        f"<rpm:license>{_text(package.license)}</rpm:license>",
        f"<rpm:sourcerpm>{_text(package.source)}</rpm:sourcerpm>",
    ]
    for kind, relations in package.relations.items():
        # rpmlib() relations name features of rpm itself, not packages.
        relations = [each for each in relations if not each.name.startswith("rpmlib(")]
        if relations:
            lines.append(f"<rpm:{kind}>")
            lines += [_entry(relation) for relation in relations]
            lines.append(f"</rpm:{kind}>")
    for path, kind in package.files:
        mark = f' type="{kind}"' if kind else ""
        lines.append(f"<file{mark}>{_text(path)}</file>")
    return "\n".join([*lines, "</format>", "</package>", ""])


def _entry(relation: RpmRelation) -> str:
    text = f"<rpm:entry name={_quoted(relation.name)}"
    if relation.version and (comparison := _COMPARISONS.get(relation.sense.comparison)):
        text += f' flags="{comparison}" {_version(relation.version)}'
    return text + (' pre="1"/>' if relation.sense & _PRE else "/>")


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def _plain(text: str) -> str:
    # XML 1.0 has no way to write these; such file names cannot be required by name.
    return _CONTROL.sub("\ufffd", text)


def _text(text: str) -> str:
    return escape(_plain(text))
