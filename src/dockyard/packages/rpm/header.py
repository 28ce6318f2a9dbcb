"""RPM headers: the tagged data structure of a package's signature and main header.

A header is a magic number, the number of index entries and the size of the store, the entries
(tag, type, offset, count: four big-endian 32-bit numbers), and the store with their values. The
first entry is the immutable region, whose trailer closes the store: rpm takes what stands within
it as it was built, and digests and signs exactly these bytes (rpm's docs/manual/hregions.md and
format_header.md). This module reads any header and writes the canonical form: entries by tag.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from enum import IntEnum

MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_ENTRY = struct.Struct(">IIiI")
_REGION = struct.Struct(">IIiI")
_MAX_ENTRIES = 0xFFFF
_MAX_STORE = 256 << 20


class Type(IntEnum):
    """The type of an entry's values."""

    NULL = 0
    CHAR = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    STRING = 6
    BIN = 7
    STRING_ARRAY = 8
    I18NSTRING = 9


_TYPES: Mapping[int, Type] = {int(kind): kind for kind in Type}
_NUMBER_FORMATS: Mapping[Type, str] = {
    Type.CHAR: "B",
    Type.INT8: "B",
    Type.INT16: "H",
    Type.INT32: "I",
    Type.INT64: "Q",
}

Value = tuple[int, ...] | tuple[str, ...] | str | bytes


class Tag(IntEnum):
    """Tags of the main header that Dockyard reads or writes."""

    HEADERIMMUTABLE = 63
    HEADERI18NTABLE = 100
    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    SUMMARY = 1004
    DESCRIPTION = 1005
    BUILDTIME = 1006
    BUILDHOST = 1007
    INSTALLTIME = 1008
    SIZE = 1009
    DISTRIBUTION = 1010
    VENDOR = 1011
    LICENSE = 1014
    PACKAGER = 1015
    GROUP = 1016
    URL = 1020
    OS = 1021
    ARCH = 1022
    PREIN = 1023
    POSTIN = 1024
    PREUN = 1025
    POSTUN = 1026
    FILESIZES = 1028
    FILESTATES = 1029
    FILEMODES = 1030
    FILERDEVS = 1033
    FILEMTIMES = 1034
    FILEDIGESTS = 1035
    FILELINKTOS = 1036
    FILEFLAGS = 1037
    FILEUSERNAME = 1039
    FILEGROUPNAME = 1040
    SOURCERPM = 1044
    FILEVERIFYFLAGS = 1045
    ARCHIVESIZE = 1046
    PROVIDENAME = 1047
    REQUIREFLAGS = 1048
    REQUIRENAME = 1049
    REQUIREVERSION = 1050
    CONFLICTFLAGS = 1053
    CONFLICTNAME = 1054
    CONFLICTVERSION = 1055
    RPMVERSION = 1064
    CHANGELOGTIME = 1080
    CHANGELOGNAME = 1081
    CHANGELOGTEXT = 1082
    PREINPROG = 1085
    POSTINPROG = 1086
    PREUNPROG = 1087
    POSTUNPROG = 1088
    OBSOLETENAME = 1090
    FILEDEVICES = 1095
    FILEINODES = 1096
    FILELANGS = 1097
    SOURCEPACKAGE = 1106
    PROVIDEFLAGS = 1112
    PROVIDEVERSION = 1113
    OBSOLETEFLAGS = 1114
    OBSOLETEVERSION = 1115
    DIRINDEXES = 1116
    BASENAMES = 1117
    DIRNAMES = 1118
    OPTFLAGS = 1122
    PAYLOADFORMAT = 1124
    PAYLOADCOMPRESSOR = 1125
    PAYLOADFLAGS = 1126
    INSTALLTID = 1128
    PLATFORM = 1132
    FILECOLORS = 1140
    FILECLASS = 1141
    CLASSDICT = 1142
    PRETRANS = 1151
    POSTTRANS = 1152
    PRETRANSPROG = 1153
    POSTTRANSPROG = 1154
    LONGFILESIZES = 5008
    LONGSIZE = 5009
    FILECAPS = 5010
    FILEDIGESTALGO = 5011
    RECOMMENDNAME = 5046
    RECOMMENDVERSION = 5047
    RECOMMENDFLAGS = 5048
    SUGGESTNAME = 5049
    SUGGESTVERSION = 5050
    SUGGESTFLAGS = 5051
    SUPPLEMENTNAME = 5052
    SUPPLEMENTVERSION = 5053
    SUPPLEMENTFLAGS = 5054
    ENHANCENAME = 5055
    ENHANCEVERSION = 5056
    ENHANCEFLAGS = 5057
    ENCODING = 5062
    FILETRIGGERSCRIPTS = 5066
    FILETRIGGERSCRIPTPROG = 5067
    FILETRIGGERNAME = 5069
    FILETRIGGERINDEX = 5070
    FILETRIGGERVERSION = 5071
    FILETRIGGERFLAGS = 5072
    TRANSFILETRIGGERSCRIPTS = 5076
    TRANSFILETRIGGERSCRIPTPROG = 5077
    TRANSFILETRIGGERNAME = 5079
    TRANSFILETRIGGERINDEX = 5080
    TRANSFILETRIGGERVERSION = 5081
    TRANSFILETRIGGERFLAGS = 5082
    FILETRIGGERPRIORITIES = 5084
    TRANSFILETRIGGERPRIORITIES = 5085
    PAYLOADDIGEST = 5092
    PAYLOADDIGESTALGO = 5093
    PAYLOADDIGESTALT = 5097


class SignatureTag(IntEnum):
    """Tags of the signature header."""

    HEADERSIGNATURES = 62
    DSAHEADER = 267
    RSAHEADER = 268
    SHA1HEADER = 269
    LONGSIZE = 270
    LONGARCHIVESIZE = 271
    SHA256HEADER = 273
    OPENPGP = 278
    SIZE = 1000
    PGP = 1002
    MD5 = 1004
    GPG = 1005
    PAYLOADSIZE = 1007
    RESERVEDSPACE = 1008


_SIGNATURES = (
    SignatureTag.DSAHEADER,
    SignatureTag.RSAHEADER,
    SignatureTag.OPENPGP,
    SignatureTag.PGP,
    SignatureTag.GPG,
    SignatureTag.RESERVEDSPACE,
)


class MalformedHeader(ValueError):
    """The bytes are no RPM header. Readers of files turn it into a problem with the file's name."""


class Header:
    """Entries by tag; a mapping from tag to (type, value).

    Numbers are tuples of int, STRING is str, STRING_ARRAY and I18NSTRING are tuples of str, BIN is
    bytes. Bytes that are not UTF-8 stand as surrogates.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Type, Value]] = {}

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._entries))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Header) and self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]

    def set(self, tag: int, kind: Type, value: Value) -> None:
        self._entries[tag] = (kind, value)

    def remove(self, tag: int) -> None:
        self._entries.pop(tag, None)

    def entry(self, tag: int) -> tuple[Type, Value]:
        return self._entries[tag]

    def text(self, tag: int, default: str = "") -> str:
        """A STRING, or the first of an array."""
        value = self._entries.get(tag, (Type.STRING, default))[1]
        if isinstance(value, str):
            return value
        return str(value[0]) if isinstance(value, tuple) and value else default

    def texts(self, tag: int) -> tuple[str, ...]:
        """A STRING_ARRAY; () when the tag is absent."""
        value = self._entries.get(tag, (Type.STRING_ARRAY, ()))[1]
        if isinstance(value, str):
            return (value,)
        return tuple(str(item) for item in value) if isinstance(value, tuple) else ()

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The numbers of an INT type; () when the tag is absent or holds something else."""
        value = self._entries.get(tag, (Type.INT32, ()))[1]
        if not isinstance(value, tuple):
            return ()
        return tuple(item for item in value if isinstance(item, int))

    def number(self, tag: int, default: int = 0) -> int:
        return next(iter(self.numbers(tag)), default)

    def binary(self, tag: int) -> bytes:
        value = self._entries.get(tag, (Type.BIN, b""))[1]
        return value if isinstance(value, bytes) else b""

    def serialise(self, region: int) -> bytes:
        """The canonical bytes, magic included, under an immutable region of this tag."""
        index: list[bytes] = []
        store = bytearray()
        for tag in sorted(self._entries):
            kind, value = self._entries[tag]
            data, count, alignment = encoded(kind, value)
            store += bytes(-len(store) % alignment)
            index.append(_ENTRY.pack(tag, kind, len(store), count))
            store += data
        number = len(index) + 1
        first = _ENTRY.pack(region, Type.BIN, len(store), _REGION.size)
        store += _REGION.pack(region, Type.BIN, -number * _ENTRY.size, _REGION.size)
        head = MAGIC + struct.pack(">II", number, len(store))
        return b"".join((head, first, *index, store))


def encoded(kind: Type, value: Value) -> tuple[bytes, int, int]:
    """The stored bytes of a value, their count, and their alignment."""
    if isinstance(value, bytes):
        return value, len(value), 1
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape") + b"\0", 1, 1
    if kind in _NUMBER_FORMATS:
        code = _NUMBER_FORMATS[kind]
        size = struct.calcsize(code)
        return struct.pack(f">{len(value)}{code}", *value), len(value), size
    data = b"".join(str(item).encode("utf-8", "surrogateescape") + b"\0" for item in value)
    return data, len(value), 1


def parse(data: bytes, offset: int = 0, only: Collection[int] | None = None) -> tuple[Header, int]:
    """The header that begins at an offset, and the offset after it. Raises MalformedHeader.

    only: the tags that are wanted; the values of all others are neither looked at nor kept.
    """
    if data[offset : offset + 8] != MAGIC:
        raise MalformedHeader("a header does not begin with its magic number")
    if len(data) < offset + 16:
        raise MalformedHeader("a header is cut off")
    number, size = struct.unpack_from(">II", data, offset + 8)
    if not 0 < number <= _MAX_ENTRIES or size > _MAX_STORE:
        raise MalformedHeader(f"a header claims {number} entries and {size} bytes")
    start = offset + 16 + number * _ENTRY.size
    end = start + size
    if len(data) < end:
        raise MalformedHeader("a header is cut off")
    store = data[start:end]
    header = Header()
    for position in range(number):
        tag, kind, where, count = _ENTRY.unpack_from(data, offset + 16 + position * _ENTRY.size)
        if position == 0 and tag in (SignatureTag.HEADERSIGNATURES, Tag.HEADERIMMUTABLE, 61):
            continue
        if only is not None and tag not in only:
            continue
        known = _type(kind)
        header.set(tag, known, _decode(store, known, where, count))
    return header, end


def _type(kind: int) -> Type:
    found = _TYPES.get(kind)
    if found is None:
        raise MalformedHeader(f"an entry has the unknown type {kind}")
    return found


def _decode(store: bytes, kind: Type, where: int, count: int) -> Value:
    if not 0 <= where <= len(store):
        raise MalformedHeader("an entry is outside of the store")
    if kind in _NUMBER_FORMATS:
        layout = f">{count}{_NUMBER_FORMATS[kind]}"
        if count > len(store) or where + struct.calcsize(layout) > len(store):
            raise MalformedHeader("an entry runs past the store")
        return struct.unpack_from(layout, store, where)
    if kind is Type.BIN or kind is Type.NULL:
        if where + count > len(store):
            raise MalformedHeader("an entry runs past the store")
        return store[where : where + count]
    if kind is Type.STRING:
        return _string(store, where)
    return _strings(store, where, count)


def _string(store: bytes, where: int) -> str:
    end = store.find(b"\0", where)
    if end < 0:
        raise MalformedHeader("a string is not closed")
    return store[where:end].decode("utf-8", "surrogateescape")


def _strings(store: bytes, where: int, count: int) -> tuple[str, ...]:
    if count > len(store):
        raise MalformedHeader("an entry claims more strings than there are bytes")
    if not count:
        return ()
    # One split of what may hold them all, one decoding of what does: far quicker than one each.
    parts = store[where:].split(b"\0", count)
    if len(parts) <= count:
        raise MalformedHeader("a string is not closed")
    end = len(store) - len(parts[-1]) - 1
    return tuple(store[where:end].decode("utf-8", "surrogateescape").split("\0"))


def without_signatures(signature: Header) -> Header:
    """A signature header without signatures: its digests and sizes."""
    header = Header()
    for tag in signature:
        if tag not in _SIGNATURES:
            header.set(tag, *signature.entry(tag))
    return header
