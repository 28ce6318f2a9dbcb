"""Stand-ins of packages for rpm: the same name, relations and scriptlets, and no files to unpack.

A transaction of them checks what rpm checks of the packages (but for conflicts of files, which are
`compose`'s), orders them as rpm does, and runs what runs once for a transaction, in rpm's order and
with its arguments. Every file that they list is a ghost, so that rpm makes none; and they list only
what rpm asks for: the paths that some trigger is about, and those that some package requires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from pathlib import Path

from dockyard.install.database_header import NORMAL
from dockyard.install.file_states import TAGS, HeaderFiles
from dockyard.install.unpack import HEADER
from dockyard.packages.rpm.contents import FileFlag, RpmPackage
from dockyard.packages.rpm.header import Header, SignatureTag, Tag, Type, parse
from dockyard.packages.rpm.payload import Compressor, write_payload
from dockyard.packages.rpm.writer import lead, padded

_ORDER = (5035, 5036, 5037)
_RELATIONS = (
    *(Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION),
    *(Tag.REQUIRENAME, Tag.REQUIREFLAGS, Tag.REQUIREVERSION),
    *(Tag.CONFLICTNAME, Tag.CONFLICTFLAGS, Tag.CONFLICTVERSION),
    *(Tag.OBSOLETENAME, Tag.OBSOLETEFLAGS, Tag.OBSOLETEVERSION),
    *range(Tag.RECOMMENDNAME, Tag.ENHANCEFLAGS + 1),
    *_ORDER,
)
_SCRIPTS = (
    *(Tag.POSTTRANS, Tag.POSTTRANSPROG),
    *range(Tag.TRANSFILETRIGGERSCRIPTS, Tag.TRANSFILETRIGGERFLAGS + 1),
    Tag.TRANSFILETRIGGERPRIORITIES,
)
_KEPT = (
    *(Tag.HEADERI18NTABLE, Tag.NAME, Tag.VERSION, Tag.RELEASE, Tag.EPOCH, Tag.ARCH, Tag.OS),
    *(Tag.SUMMARY, Tag.SOURCERPM, Tag.RPMVERSION, Tag.ENCODING, Tag.VENDOR, Tag.PLATFORM),
    *_RELATIONS,
    *_SCRIPTS,
)
_WEAK = (Tag.RECOMMENDNAME, Tag.SUGGESTNAME, Tag.SUPPLEMENTNAME, Tag.ENHANCENAME, _ORDER[0])
_WANTED = frozenset((*_KEPT, *TAGS, Tag.FILECOLORS))
# Of any regular file, for all the difference that a ghost makes.
_MODE = 0o100644


_Row = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Package:
    """rows: directory, name and state of each file."""

    header: Header
    rows: list[_Row]


def write_stubs(packages: Sequence[Path], directory: Path, *, documents: bool = True) -> list[str]:
    """Write the stand-ins of unpacked packages into a directory, as `NEVRA.rpm`, and return their
    names in an order that depends on nothing else. documents: whether documents are installed.
    """
    read = [_read(place, documents) for place in packages]
    begin = tuple({p for each in read for p in each.header.texts(Tag.TRANSFILETRIGGERNAME)})
    asked = _Asked(read)
    names = []
    for each in read:
        kept = [
            row
            for row in each.rows
            if (path := row[0] + row[1]) in asked or (row[2] == NORMAL and path.startswith(begin))
        ]
        # The colour of a package, that of its files, decides between several that provide the same.
        if not kept and any(each.header.numbers(Tag.FILECOLORS)):
            kept = each.rows[:1]
        name = f"{_nevra(each.header)}.rpm"
        (directory / name).write_bytes(_stub(each.header, kept))
        names.append(name)
    return sorted(names)


class _Asked:
    """The paths that relations of packages name."""

    def __init__(self, packages: Sequence[_Package]) -> None:
        self._names = {
            name
            for each in packages
            for tag in (Tag.REQUIRENAME, Tag.CONFLICTNAME, *_WEAK)
            for name in each.header.texts(tag)
        }
        # Rich relations have theirs somewhere in the text.
        self._rich = " ".join(name for name in self._names if name.startswith("("))

    def __contains__(self, path: str) -> bool:
        return path in self._names or (bool(self._rich) and path in self._rich)


def _read(place: Path, documents: bool) -> _Package:
    header, _ = parse((place / HEADER).read_bytes(), 0, _WANTED)
    listed = HeaderFiles.of(header)
    states = listed.states(documents)
    rows = zip(listed.places, listed.names, states, strict=True)
    return _Package(header, [(listed.directories[at], name, state) for at, name, state in rows])


def _nevra(header: Header) -> str:
    epoch = header.number(Tag.EPOCH)
    version = f"{header.text(Tag.VERSION)}-{header.text(Tag.RELEASE)}.{header.text(Tag.ARCH)}"
    return f"{header.text(Tag.NAME)}-{f'{epoch}:' if epoch else ''}{version}"


def _stub(package: Header, files: Sequence[_Row]) -> bytes:
    header = Header()
    for tag in package:
        if tag in _KEPT:
            header.set(tag, *package.entry(tag))
    for tag, text in (
        (Tag.PAYLOADFORMAT, "cpio"),
        (Tag.PAYLOADCOMPRESSOR, "zstd"),
        (Tag.PAYLOADFLAGS, "3"),
    ):
        header.set(tag, Type.STRING, text)
    header.set(Tag.SIZE, Type.INT32, (0,))
    if files:
        _set_files(header, files)
        color = reduce(or_, package.numbers(Tag.FILECOLORS), 0)
        header.set(Tag.FILECOLORS, Type.INT32, (color, *(0,) * (len(files) - 1)))
    main = header.serialise(Tag.HEADERIMMUTABLE)
    payload = _empty_payload()
    signature = Header()
    signature.set(SignatureTag.SIZE, Type.INT32, (len(main) + len(payload),))
    signature.set(SignatureTag.SHA256HEADER, Type.STRING, hashlib.sha256(main).hexdigest())
    signed = padded(signature.serialise(SignatureTag.HEADERSIGNATURES))
    name, version, release = (package.text(t) for t in (Tag.NAME, Tag.VERSION, Tag.RELEASE))
    return b"".join((lead(RpmPackage(name, version, release, "", "")), signed, main, payload))


def _set_files(header: Header, files: Sequence[_Row]) -> None:
    count = len(files)
    directories: dict[str, int] = {}
    places = tuple(directories.setdefault(above, len(directories)) for above, _, _ in files)
    header.set(Tag.DIRNAMES, Type.STRING_ARRAY, tuple(directories))
    header.set(Tag.DIRINDEXES, Type.INT32, places)
    header.set(Tag.BASENAMES, Type.STRING_ARRAY, tuple(name for _, name, _ in files))
    header.set(Tag.FILEINODES, Type.INT32, tuple(range(1, count + 1)))
    for tag, kind, value in (
        (Tag.FILEMODES, Type.INT16, _MODE),
        (Tag.FILERDEVS, Type.INT16, 0),
        (Tag.FILEFLAGS, Type.INT32, int(FileFlag.GHOST)),
        (Tag.FILESIZES, Type.INT32, 0),
        (Tag.FILEMTIMES, Type.INT32, 0),
        (Tag.FILEDEVICES, Type.INT32, 1),
        (Tag.FILEVERIFYFLAGS, Type.INT32, 0),
    ):
        header.set(tag, kind, (value,) * count)
    for tag, text in (
        (Tag.FILEDIGESTS, ""),
        (Tag.FILELINKTOS, ""),
        (Tag.FILELANGS, ""),
        (Tag.FILEUSERNAME, "root"),
        (Tag.FILEGROUPNAME, "root"),
    ):
        header.set(tag, Type.STRING_ARRAY, (text,) * count)


@cache
def _empty_payload() -> bytes:
    compressor = Compressor()
    write_payload([], compressor)
    return compressor.finish()
