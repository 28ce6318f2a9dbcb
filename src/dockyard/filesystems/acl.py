"""POSIX ACLs: from the form that ext4 keeps on disk to the one of the system call.

On disk (ext4 and others, version 1) entries that name nobody have no id; the kernel's form (version
2, linux/posix_acl_xattr.h) gives each entry one.
"""

from __future__ import annotations

import struct

_NAMED = (0x02, 0x08)
_NOBODY = 0xFFFFFFFF


def from_disk(value: bytes) -> bytes:
    """An ACL in the kernel's form. Raises ValueError when it is damaged."""
    if len(value) < 4 or value[:4] != b"\1\0\0\0":
        raise ValueError("an ACL is not of version 1")
    made = [struct.pack("<I", 2)]
    at = 4
    while at < len(value):
        if len(value) - at < 4:
            raise ValueError("an ACL is cut short")
        tag, permissions = struct.unpack_from("<HH", value, at)
        at += 4
        identity = _NOBODY
        if tag in _NAMED:
            if len(value) - at < 4:
                raise ValueError("an ACL is cut short")
            (identity,) = struct.unpack_from("<I", value, at)
            at += 4
        made.append(struct.pack("<HHI", tag, permissions, identity))
    return b"".join(made)
