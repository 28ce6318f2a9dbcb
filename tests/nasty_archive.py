"""An archive with everything in it that tools are known to lose."""

from __future__ import annotations

import struct

from dockyard.archive import Archive, Entry, Kind

SECOND = 1_000_000_000
T = 1_700_000_000 * SECOND

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,
    *(1, 6, 0xFFFFFFFF),
    *(2, 4, 1000),
    *(4, 4, 0xFFFFFFFF),
    *(16, 6, 0xFFFFFFFF),
    *(32, 0, 0xFFFFFFFF),
)
# Counts only where the user 1000 is the root of a namespace.
THEIR_CAPABILITY = bytes.fromhex("0100000300040000000000000000000000000000e8030000")
LABEL = b"system_u:object_r:etc_t:s0\0"

DATA: dict[bytes, bytes] = {
    b"a/one": b"1",
    b"a/large": bytes(range(256)) * 20_000,
    b"a/holes": b"x" * 5000 + bytes(8 << 20) + b"y" * 5,
    b"h/first": b"linked data\n",
    b"x/many": b"attributes\n",
    b"x/acl": b"acl\n",
    b"x/cap": b"\x7fELF",
    b"x/big": b"three kilobytes\n",
    b"name\nwith newline": b"n",
    b"odd-\xff\xfe": b"odd",
    b"gr\xc3\xbc\xc3\x9fe": b"utf-8",
    b"n" * 255: b"long name",
    b"/".join([b"d" * 100] * 3 + [b"f"]): b"long path",
    b"t/ns": b"ns",
    b"t/2040": b"2040",
    b"t/zero": b"1970",
    b"a-b": b"sorts after a/",
}


def file(path: bytes, mode: int = 0o644, **others: object) -> Entry:
    return Entry(path, Kind.FILE, mode, **{"mtime_ns": T, **others})  # type: ignore[arg-type]


def directory(path: bytes, mode: int = 0o755, **others: object) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, **{"mtime_ns": T, **others})  # type: ignore[arg-type]


def plain_entries() -> list[Entry]:
    """What every Unix file system and every writer can hold."""
    return [
        directory(b"", 0o755),
        directory(b"a"), file(b"a/empty"), file(b"a/one", 0o600), file(b"a/large"),
        file(b"a/holes"), file(b"a-b"),
        directory(b"m"),
        *(file(b"m/%04o" % mode, mode) for mode in (0, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777)),
        directory(b"m/sgid", 0o2775, gid=100), directory(b"m/sticky", 0o1777),
        directory(b"l"),
        *(
            Entry(b"l/%d" % size, Kind.SYMLINK, 0o777, mtime_ns=T, target=b"t" * size)
            for size in (2, 59, 60, 150, 304, 999)
        ),
        directory(b"h"), file(b"h/first", uid=12, gid=34),
        Entry(b"h/second", Kind.HARDLINK, target=b"h/first"),
        Entry(b"m/third", Kind.HARDLINK, target=b"h/first"),
        Entry(b"fifo", Kind.FIFO, 0o600, mtime_ns=T),
        file(b"name\nwith newline"), file(b"odd-\xff\xfe"), file(b"gr\xc3\xbc\xc3\x9fe"),
        file(b"n" * 255), directory(b"d" * 100), directory(b"/".join([b"d" * 100] * 2)),
        directory(b"/".join([b"d" * 100] * 3)), file(b"/".join([b"d" * 100] * 3 + [b"f"])),
        directory(b"t"), file(b"t/zero", mtime_ns=0), file(b"t/ns", mtime_ns=T + 123_456_789),
        directory(b"x"), file(b"x/cap", 0o755, xattrs=((b"security.capability", CAPABILITY),)),
        directory(b"x/labelled", xattrs=((b"security.selinux", LABEL),)),
        Entry(
            b"x/link", Kind.SYMLINK, 0o777, mtime_ns=T, target=b"many",
            xattrs=((b"security.selinux", LABEL),),
        ),
        file(
            b"x/many",
            xattrs=(
                (b"security.ima", bytes(range(100))), (b"security.selinux", LABEL),
                (b"user.binary", b"\0\xff\n=\0"), (b"user.text", b"text"),
            ),
        ),
        file(b"x/big", xattrs=((b"user.big", bytes(range(250)) * 12),)),
    ]  # fmt: skip


def hard_entries() -> list[Entry]:
    """What only some can hold."""
    return [
        directory(b"dev"),
        Entry(b"dev/null", Kind.CHARACTER, 0o666, mtime_ns=T, rdev=(1, 3)),
        Entry(b"dev/sda", Kind.BLOCK, 0o660, gid=6, mtime_ns=T, rdev=(8, 0)),
        Entry(b"dev/far", Kind.BLOCK, 0o660, mtime_ns=T, rdev=(259, 70000)),
        file(b"i-70000", uid=70000, gid=70001), file(b"i-last", uid=4294967294, gid=4294967294),
        file(b"x/acl", 0o660, xattrs=((b"system.posix_acl_access", ACL),)),
        directory(b"x/acls", 0o770, xattrs=((b"system.posix_acl_default", ACL),)),
        file(b"x/trusted", xattrs=((b"trusted.md5", b"x"),)),
        file(b"x/theirs", xattrs=((b"security.capability", THEIR_CAPABILITY),)),
        file(b"x/void", xattrs=((b"user.empty", b""),)),
        file(b"t/2040", mtime_ns=2_208_988_800 * SECOND),
        file(b"t/before", mtime_ns=-100 * SECOND),
    ]  # fmt: skip


def plain() -> Archive:
    return Archive.from_entries(plain_entries(), DATA)


def nasty() -> Archive:
    return Archive.from_entries([*plain_entries(), *hard_entries()], DATA)


def same(found: Archive, expected: Archive) -> None:
    """Assert that two archives have equal entries, naming the first that differ."""
    left = {entry.path: entry for entry in found}
    right = {entry.path: entry for entry in expected}
    assert sorted(left) == sorted(right), set(left) ^ set(right)
    for path, entry in right.items():
        assert left[path] == entry, f"{left[path]}\n{entry}"
    assert found.entries == expected.entries


def same_data(found: Archive, expected: Archive) -> None:
    """Assert that all files of two archives hold the same bytes."""
    for entry in expected:
        if entry.kind is Kind.FILE:
            assert found.read(entry.path) == expected.read(entry.path)
