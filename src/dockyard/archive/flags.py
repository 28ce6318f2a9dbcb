"""Flags of inodes as chattr(1) sets them, kept among the extended attributes of an entry.

The value is the letters of lsattr(1) in order, such as `ai`. No tree on a host has it; in the
stream it is `SCHILY.fflags` with the words of libarchive, which bsdtar(1) takes. Each file system
says in `flags` which of them it can hold; what one cannot is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockyard.archive.archive import Archive
from dockyard.archive.entry import Entry, Kind, Xattrs

XATTR_FLAGS = b"chattr"
PAX_FLAGS = b"SCHILY.fflags"
_WORDS = {
    "A": b"noatime", "C": b"nocow", "D": b"dirsync", "S": b"sync", "T": b"topdir",
    "a": b"sappnd", "c": b"compress", "d": b"nodump", "i": b"schg", "j": b"journal-data",
    "m": b"nocompress", "s": b"securedeletion", "t": b"notail", "u": b"undel",
}  # fmt: skip
_LETTERS = {word: letter for letter, word in _WORDS.items()}


def flags_of(entry: Entry) -> str:
    """The letters of an entry's flags; empty for none."""
    return (entry.xattr(XATTR_FLAGS) or b"").decode()


def with_flags(xattrs: Xattrs, letters: str) -> Xattrs:
    """Extended attributes, and flags instead of those that were there."""
    others = [pair for pair in xattrs if pair[0] != XATTR_FLAGS]
    own = [(XATTR_FLAGS, "".join(sorted(letters)).encode())] if letters else []
    return tuple(sorted([*own, *others]))


def letters_of(kind: Kind, word: int, bits: Mapping[str, int]) -> str:
    """The letters of an inode's flags; only files and directories have any."""
    if kind not in (Kind.FILE, Kind.DIRECTORY):
        return ""
    return "".join(letter for letter, bit in bits.items() if word & bit)


def word_of(entry: Entry, bits: Mapping[str, int]) -> int:
    """The flags of an entry as an inode has them."""
    return sum(bits[letter] for letter in flags_of(entry))


def held(archive: Archive, letters: str) -> Archive:
    """The archive with those flags only that a file system can hold."""

    def change(entry: Entry) -> Entry:
        has = flags_of(entry)
        kept = "".join(letter for letter in has if letter in letters)
        return entry if kept == has else replace(entry, xattrs=with_flags(entry.xattrs, kept))

    return archive.changed(change)


def words(letters: str) -> bytes:
    """Flags as the stream has them."""
    return b",".join(_WORDS[letter] for letter in letters)


def letters(said: bytes) -> str:
    """Flags of a stream; words that are not known mean nothing here."""
    return "".join(sorted(_LETTERS[word] for word in said.split(b",") if word in _LETTERS))
