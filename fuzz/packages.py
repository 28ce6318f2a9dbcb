"""Readers of packages: RPMs with their payload, Debian packages, databases of rpm."""

from __future__ import annotations

import io
import sqlite3
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from backports import zstd

import debian_archive
from dockyard.archive import Archive
from dockyard.errors import DockyardError
from dockyard.host import namespace
from dockyard.host.removal import remove_tree
from dockyard.inspection.packages import installed
from dockyard.inspection.tree import Mounted, Tree
from dockyard.install.unpack import unpack_package
from dockyard.packages.deb.package import read_deb
from dockyard.packages.deb.unpack import unpack
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage, parse_relation
from dockyard.packages.rpm.header import MAGIC
from dockyard.packages.rpm.reader import RpmFile, content_digest, read_package
from dockyard.packages.rpm.signature import check_digests
from dockyard.packages.rpm.writer import write_package
from fuzz.disks import with_sums
from fuzz.patches import patched, used_sectors
from fuzz.target import Target
from nasty_archive import file

_NOTHING = b"0000"
_RELATIONS = ("requires", "provides", "conflicts", "obsoletes", "recommends")
_DATABASES = "usr/lib/sysimage/rpm"


def _package(name: str) -> RpmPackage:
    files = (
        PackagedFile("/usr/bin/a", 0o100755, b"#!/bin/sh\n" * 300),
        PackagedFile("/usr/bin/b", 0o100755, b"linked" * 90, link=7),
        PackagedFile("/usr/bin/c", 0o100755, b"linked" * 90, link=7),
        PackagedFile("/usr/bin/d", 0o120777, target="a"),
        PackagedFile("/usr/share/" + "long" * 40, 0o040755),
    )
    return RpmPackage(
        name, "1.0", "2", "A package", "MIT", "x86_64", 3, files=files,
        requires=(parse_relation("bash >= 5"), parse_relation("libc")),
        provides=(parse_relation(f"{name} = 1.0"),),
    )  # fmt: skip


def _rpm_of(name: str) -> bytes:
    out = io.BytesIO()
    write_package(_package(name), out)
    return out.getvalue()


def _rpm(folder: Path) -> Callable[[bytes], object]:
    """Its headers, the payload behind its compression, or the compressed payload."""
    path, out = folder / "a.rpm", folder / "unpacked"
    namespace.enter()
    path.write_bytes(_rpm_of("a"))
    whole, start = path.read_bytes(), read_package(path).payload_offset
    plain = zstd.decompress(whole[start:])

    def feed(drawn: bytes) -> None:
        how, rest = drawn[:1], drawn[1:]
        head, payload = whole[:start], whole[start:]
        if how < b"\x70":
            head = bytes(patched(head, rest, used_sectors(head)))
        elif how < b"\xe0":
            payload = zstd.compress(bytes(patched(plain, rest, used_sectors(plain))), 1)
        else:
            payload = bytes(patched(payload, rest, used_sectors(payload)))
        path.write_bytes(head + payload)
        package = read_package(path)
        _read(package)
        out.mkdir()
        try:
            unpack_package(package, out)
        finally:
            remove_tree(out)

    feed(_NOTHING)
    return feed


def _read(package: RpmFile) -> None:
    """All that a package says, each part whatever becomes of the others."""
    content_digest(package)
    parts: Sequence[Callable[[], object]] = (
        package.files,
        lambda: [*package.contents()],
        lambda: [*package.entries()],
        lambda: [b"".join(pieces) for *_, pieces in package.in_pieces()],
        lambda: check_digests(package),
        *(lambda kind=kind: package.relations(kind) for kind in _RELATIONS),
    )
    failed: DockyardError | None = None
    for part in parts:
        try:
            part()
        except DockyardError as error:
            failed = error
    if failed:
        raise failed


_CONTROL = b"""\
Package: a
Version: 1:2.0-3
Architecture: amd64
Depends: libc6 (>= 2.36), b | c
Description: a package
 with more
"""


def _tars() -> bytes:
    """Members of every form that tar has: long names of GNU, and headers of pax."""
    out = b""
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=form) as archive:
            for name in (f"./usr/{form}", f"./usr/d{form}/" + "n" * (40 * form + 1)):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = 9, 1_700_000_000.5 if form == tarfile.PAX_FORMAT else 9
                archive.addfile(info, io.BytesIO(b"some data"))
            link = tarfile.TarInfo(f"./usr/link{form}")
            link.type, link.linkname = tarfile.SYMTYPE, "t" * (60 * form + 1)
            archive.addfile(link)
            link = tarfile.TarInfo(f"./usr/hard{form}")
            link.type, link.linkname = tarfile.LNKTYPE, f"./usr/{form}"
            archive.addfile(link)
        out += made.getvalue().rstrip(b"\0")
        out += bytes(-len(out) % 512)
    return out + bytes(1024)


def _deb(folder: Path) -> Callable[[bytes], object]:
    """Its control file, either tar behind right checksums, or all of it."""
    path, tree = folder / "a.deb", folder / "tree"
    members = [debian_archive.directory("./"), debian_archive.Member("./control", _CONTROL)]
    control, data = debian_archive.tar(members), _tars()

    def feed(drawn: bytes) -> None:
        how, rest = drawn[:1], drawn[1:]
        parts = [control, data]
        suffix = ""
        if how < b"\x40":
            parts[0] = debian_archive.tar([debian_archive.Member("./control", rest)])
        elif how < b"\xc0":
            which = int(how >= b"\x60")
            parts[which] = bytes(with_sums(patched(parts[which], rest, used_sectors(parts[which]))))
        else:
            suffix = (".gz", ".xz", ".zst", "")[how[0] % 4]
            parts = [debian_archive.COMPRESS[suffix](part) for part in parts]
        named = [("debian-binary", b"2.0\n"), *zip((f"control.tar{suffix}", f"data.tar{suffix}"),
                                                   parts, strict=True)]  # fmt: skip
        whole = debian_archive.ar(named)
        if how >= b"\xc0":
            whole = bytes(patched(whole, rest, used_sectors(whole)))
        path.write_bytes(whole)
        for entry in read_deb(path).entries():
            assert ".." not in entry.path.split("/"), "it leads out of the root"
        try:
            unpack([path], tree, jobs=1)
        finally:
            remove_tree(tree)

    feed(b"\x50")
    return feed


def _tree(path: str, data: bytes) -> Tree:
    name = path.encode()
    return Tree([Mounted(b"", Archive.from_entries([file(name)], {name: data}))])


def _headers() -> list[bytes]:
    """The main headers of packages as databases keep them: without their magic."""
    found = []
    for name in ("a", "b", "gpg-pubkey"):
        whole = _rpm_of(name)
        start = whole.index(MAGIC, whole.index(MAGIC) + 1)
        count, size = struct.unpack_from(">II", whole, start + 8)
        found.append(whole[start + 8 : start + 16 + 16 * count + size])
    return found


def _ndb_of(headers: Sequence[bytes]) -> bytes:
    """A database of ndb, as `inspection.ndb` says how it is laid out."""
    slots, blobs = b"", b""
    for index, header in enumerate(headers, 1):
        blob = struct.pack("<4s3I", b"BlbS", index, 1, len(header)) + header
        blob += bytes(-(len(blob) + 12) % 16)
        blob += struct.pack("<2I4s", zlib.adler32(blob), len(header), b"BlbE")
        slots += struct.pack("<4s3I", b"Slot", index, (4096 + len(blobs)) // 16, len(blob) // 16)
        blobs += blob
    slots += struct.pack("<4s3I", b"Slot", 0, 0, 0) * ((4096 - 32 - len(slots)) // 16)
    return struct.pack("<4s4I", b"RpmP", 0, 1, 1, 4) + bytes(12) + slots + blobs


def _with_adlers(whole: bytearray) -> bytes:
    """A damaged database with the right checksums of what its slots lead to."""
    for at in range(32, 4096, 16):
        with suppress(struct.error):
            _, index, offset, length = struct.unpack_from("<4s3I", whole, at)
            end = (offset + length) * 16 - 12
            if index and offset * 16 < end <= len(whole):
                struct.pack_into("<I", whole, end, zlib.adler32(whole[offset * 16 : end]))
    return bytes(whole)


def _sqlite_of(headers: Sequence[bytes]) -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE 'Packages' "
                         "(hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")  # fmt: skip
        database.execute("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL)")
        database.executemany("INSERT INTO Packages(blob) VALUES (?)", [(each,) for each in headers])
        database.commit()
        return database.serialize()


def _database(
    name: str, sound: bytes, mended: Callable[[bytearray], bytes]
) -> Callable[[Path], Callable[[bytes], object]]:
    used = used_sectors(sound)

    def feed(drawn: bytes) -> None:
        installed(_tree(f"{_DATABASES}/{name}", mended(patched(sound, drawn, used))))

    assert len(installed(_tree(f"{_DATABASES}/{name}", sound)).packages) == 2
    return lambda _: feed


def targets() -> tuple[Target, ...]:
    """The targets of this module."""
    headers = _headers()
    patches = (_NOTHING, bytes(10))
    return (
        Target("rpm", _rpm, (b"\0" * 11, b"\x80" * 11, b"\xff" * 11), 256),
        Target("deb", _deb, (b"\0" + _CONTROL, b"\x50" * 11, b"\x90" * 11, b"\xfe" * 11), 1024),
        Target("ndb", _database("Packages.db", _ndb_of(headers), _with_adlers), patches, 256),
        Target("rpm-sqlite", _database("rpmdb.sqlite", _sqlite_of(headers), bytes), patches, 256),
    )
