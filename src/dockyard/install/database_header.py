"""The header of a package as the rpm database holds it: what rpm makes of a package's two headers
when it installs it (rpm's lib/package.c, headerMergeLegacySigs; lib/psm.c, dbAdd).

The main header stays as it is, an immutable region. Behind it come, by tag, the entries of the
signature header under the numbers that they have in a main header, and what is known only then: the
state of each file, the time and the number of the transaction, the colours of files that it took.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from dockyard.packages.rpm.header import (
    MAGIC,
    Header,
    MalformedHeader,
    SignatureTag,
    Tag,
    Type,
    encoded,
)

NORMAL, NOT_INSTALLED = 0, 2
"""States of a file (rpmfiles.h): it is in the tree; it was left out."""

_ENTRY = struct.Struct(">IIiI")
_COUNTS = struct.Struct(">II")
_INTRO = len(MAGIC) + _COUNTS.size
_FILESTATES, _INSTALLCOLOR = 1029, 1127
_LATER = (Tag.INSTALLTIME, Tag.INSTALLTID)
# Tags of the signature header, and those of the main header that hold the same.
_MERGED: dict[int, int] = {
    SignatureTag.SIZE: 257,
    SignatureTag.PGP: 259,
    SignatureTag.MD5: 261,
    SignatureTag.GPG: 262,
    SignatureTag.PAYLOADSIZE: 1046,
    SignatureTag.SHA1HEADER: 269,
    SignatureTag.SHA256HEADER: 273,
    SignatureTag.DSAHEADER: 267,
    SignatureTag.RSAHEADER: 268,
    SignatureTag.LONGSIZE: 270,
    SignatureTag.LONGARCHIVESIZE: 271,
    274: 274,  # signatures of files, their length, those for fs-verity, their algorithm
    275: 275,
    276: 276,
    277: 277,
}


def database_header(main: bytes, signature: Header, files: int) -> bytes:
    """The header as `rpmdb --exportdb` writes it and `--importdb` reads it, its last particulars
    zero; see `completed`.

    main: the bytes of the main header, its magic number first. files: how many it lists. Raises
    MalformedHeader for a header that is not as rpm has written it since version 4.
    """
    number, size = _COUNTS.unpack_from(main, len(MAGIC))
    store = _INTRO + number * _ENTRY.size
    tag, _, _, _ = _ENTRY.unpack_from(main, _INTRO)
    if tag != Tag.HEADERIMMUTABLE or len(main) != store + size:
        raise MalformedHeader("the main header is not one immutable region")
    _require_whole_region(main, number, store)
    added: dict[int, tuple[Type, bytes, int, int]] = {}
    for theirs, ours in _MERGED.items():
        if theirs in signature:
            kind, value = signature.entry(theirs)
            added[ours] = (kind, *encoded(kind, value))
    for own in (*_LATER, _INSTALLCOLOR):
        added[own] = (Type.INT32, bytes(4), 1, 4)
    if files:
        added[_FILESTATES] = (Type.CHAR, bytes(files), files, 1)
    index, data = [], bytearray(main[store:])
    for ours in sorted(added):
        kind, value, count, alignment = added[ours]
        data += bytes(-len(data) % alignment)
        index.append(_ENTRY.pack(ours, kind, len(data), count))
        data += value
    counts = _COUNTS.pack(number + len(index), len(data))
    return b"".join((MAGIC, counts, main[_INTRO:store], *index, data))


def _require_whole_region(main: bytes, number: int, store: int) -> None:
    """Raise MalformedHeader when there are entries beside the region: rpm would keep them apart."""
    _, _, trailer, length = _ENTRY.unpack_from(main, _INTRO)
    if length != _ENTRY.size or not 0 <= trailer <= len(main) - store - _ENTRY.size:
        raise MalformedHeader("the region of the main header has no end")
    _, _, back, _ = _ENTRY.unpack_from(main, store + trailer)
    if -back != number * _ENTRY.size or store + trailer + _ENTRY.size != len(main):
        raise MalformedHeader("the main header has entries outside of its region")


def completed(header: bytes, states: Sequence[int], epoch: int, color: int) -> bytes:
    """A header of `database_header` with what the installation adds. states: of each file. epoch:
    seconds. color: of files that may be installed, `%_transaction_color`.
    """
    number, _ = _COUNTS.unpack_from(header, len(MAGIC))
    store = _INTRO + number * _ENTRY.size
    values: dict[int, bytes] = {tag: struct.pack(">I", epoch) for tag in _LATER}
    values[_INSTALLCOLOR] = struct.pack(">I", color)
    values[_FILESTATES] = bytes(states)
    data = bytearray(header)
    for at in range(_INTRO, store, _ENTRY.size):
        tag, _, where, count = _ENTRY.unpack_from(header, at)
        if tag in values:
            value = values[tag]
            if tag == _FILESTATES and len(value) != count:
                raise ValueError("there is not one state for each file")
            data[store + where : store + where + len(value)] = value
    return bytes(data)
