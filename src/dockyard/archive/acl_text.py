"""POSIX ACLs as the text that tar files have: `user::rw-,user:1000:r--,group::r--,mask::rw-,…`.

The short form of acl_from_text(3), which star, GNU tar and libarchive read and write, with numbers
for users and groups: all three take a number for itself, and no name means the same everywhere.
"""

from __future__ import annotations

import struct

_VERSION = b"\2\0\0\0"  # linux/posix_acl_xattr.h
_ENTRY = struct.Struct("<HHI")
_NAMED = {0x02: "user:{}", 0x08: "group:{}"}
_TAGS = {0x01: "user:", **_NAMED, 0x04: "group:", 0x10: "mask:", 0x20: "other:"}


def acl_text(value: bytes) -> bytes:
    """An ACL in the kernel's binary form as text. Raises ValueError when it is damaged."""
    if value[:4] != _VERSION or len(value) % _ENTRY.size != 4:
        raise ValueError("it is not an ACL of version 2")
    entries = []
    for tag, permissions, number in _ENTRY.iter_unpack(value[4:]):
        if tag not in _TAGS or permissions > 7:
            raise ValueError("it has an entry of an unknown kind")
        shown = "".join(
            letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
        )
        entries.append(f"{_TAGS[tag].format(number)}:{shown}")
    return ",".join(entries).encode()
