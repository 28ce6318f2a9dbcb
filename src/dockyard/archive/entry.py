"""One entry of an archive: a name in a root tree and every attribute that it has.

Names are bytes: Linux gives them no encoding. An entry says what is there, not where its data are;
that is the archive's business.

Canonical order is the order of the path's components, compared as bytes: a directory comes before
what is in it, and `a/b` before `a-b`. The names of a hard-link group after the first are entries of
kind HARDLINK whose target is the first; they repeat the first one's attributes.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import Enum

XATTR_CAPABILITY = b"security.capability"
XATTR_SELINUX = b"security.selinux"
XATTR_ACL_ACCESS = b"system.posix_acl_access"
XATTR_ACL_DEFAULT = b"system.posix_acl_default"

NANOSECONDS = 1_000_000_000


class Kind(Enum):
    """What an entry is; the values are the type letters of find(1), and `h` for a hard link."""

    DIRECTORY = "d"
    FILE = "f"
    SYMLINK = "l"
    HARDLINK = "h"
    CHARACTER = "c"
    BLOCK = "b"
    FIFO = "p"


KIND_OF_FORMAT = {
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
DEVICES = (Kind.CHARACTER, Kind.BLOCK)

Xattrs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a tree.

    path: relative, without a leading or trailing slash; the root is b"".
    mode: the permission bits, 07777. mtime_ns: nanoseconds since 1970, may be negative.
    size: bytes of a file's data, zero for every other kind. digest: SHA-256 of it in hex.
    target: what a symbolic link says, or the path of a hard link's first name.
    rdev: major and minor number of a device.
    xattrs: sorted by name; ACLs in the binary form of the kernel, capabilities as the image's own
    system sees them.
    """

    path: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    digest: str | None = None
    target: bytes = b""
    rdev: tuple[int, int] = (0, 0)
    xattrs: Xattrs = ()

    @property
    def parent(self) -> bytes:
        """The path of the directory that it is in; the root's is b""."""
        return self.path.rpartition(b"/")[0]

    @property
    def name(self) -> bytes:
        return self.path.rpartition(b"/")[2]

    def xattr(self, name: bytes) -> bytes | None:
        """The value of an extended attribute, or None."""
        for key, value in self.xattrs:
            if key == name:
                return value
        return None


def order(path: bytes) -> bytes:
    """The sort key of canonical order: the slash sorts before every byte that a name can have."""
    return path.replace(b"/", b"\0")


def path_text(path: bytes) -> str:
    """A path for a person: absolute, with what is not printable escaped."""
    text = path.decode("utf-8", errors="surrogateescape")
    return "/" + "".join(
        character
        if character.isprintable() and character != "\\"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in text
    )


def clamped(mtime_ns: int, epoch: int | None) -> int:
    """A modification time that a build may write: not after the epoch, and not before 1970, which
    ustar headers and EROFS cannot say in full.
    """
    if epoch is None:
        return mtime_ns
    return max(0, min(mtime_ns, epoch * NANOSECONDS))
