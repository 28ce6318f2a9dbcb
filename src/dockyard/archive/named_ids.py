"""The ids that the values of extended attributes name.

These are users and groups in ACLs (linux/posix_acl_xattr.h), and in a capability of version 3 the
root of the user namespace that it counts in (linux/capability.h).
"""

from __future__ import annotations

import struct

from dockyard.archive.entry import XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT, XATTR_CAPABILITY

ACLS = (XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT)
ACL_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
NAMED = (0x02, 0x08)
_WITH_ROOT = 0x03


def named_ids(name: bytes, value: bytes) -> tuple[int, ...]:
    """The ids that an attribute names, as it is on disk and for the system call."""
    if name == XATTR_CAPABILITY:
        has_root = len(value) == 24 and value[3] == _WITH_ROOT
        return (int.from_bytes(value[20:], "little"),) if has_root else ()
    if name not in ACLS:
        return ()
    whole = value[4 : 4 + (len(value) - 4) // ACL_ENTRY.size * ACL_ENTRY.size]
    return tuple(number for tag, _, number in ACL_ENTRY.iter_unpack(whole) if tag in NAMED)
