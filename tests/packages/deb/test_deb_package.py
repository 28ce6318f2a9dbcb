"""The .deb reader: every kind of entry, every compression, and every way to be damaged."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from debian_archive import Member, ar, deb, directory, symlink, tar
from dockyard.errors import DockyardError
from dockyard.packages.deb.package import MemberKind, read_deb

CONTROL = {"Package": "demo", "Version": "1:2.0-3", "Architecture": "amd64"}
MEMBERS = [
    directory("./usr/"),
    directory("./usr/bin/"),
    Member("./usr/bin/demo", b"#!/bin/sh\n", mode=0o4755, uid=33, uname="www-data"),
    symlink("./usr/bin/link", "demo"),
    Member("./usr/bin/hard", kind=tarfile.LNKTYPE, target="./usr/bin/demo"),
    Member("./etc/demo.conf", b"x=1\n"),
    Member(f"./usr/share/{'n' * 150}", b"long"),
    Member("./usr/share/caf\udce9", b"latin"),
]


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "demo.deb"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_all_that_a_package_holds_is_read(tmp_path: Path, suffix: str) -> None:
    extra = {"postinst": b"#!/bin/sh\nexit 0\n", "conffiles": b"/etc/demo.conf\n"}
    package = read_deb(write(tmp_path, deb(CONTROL, MEMBERS, extra=extra, suffix=suffix)))

    assert package.control["Version"] == "1:2.0-3"
    assert package.conffiles == ("/etc/demo.conf",)
    assert package.scripts == ("postinst",)
    assert package.control_members["postinst"] == extra["postinst"]
    entries = {entry.path: entry for entry in package.entries()}
    assert list(entries)[:3] == ["", "usr", "usr/bin"]
    demo = entries["usr/bin/demo"]
    assert (demo.kind, demo.mode, demo.uid, demo.uname) == (MemberKind.FILE, 0o4755, 33, "www-data")
    assert (demo.data, demo.size, demo.mtime) == (b"#!/bin/sh\n", 10, 1_700_000_000)
    assert (entries["usr/bin/link"].kind, entries["usr/bin/link"].target) == (
        MemberKind.SYMLINK,
        "demo",
    )
    hard = entries["usr/bin/hard"]
    assert (hard.kind, hard.target, hard.data) == (MemberKind.HARDLINK, "usr/bin/demo", b"")
    assert entries[f"usr/share/{'n' * 150}"].data == b"long"
    assert entries["usr/share/caf\udce9"].data == b"latin"

    # Decompressed, it is the package that we would have made so.
    package.write_plain(tmp_path / "plain.deb")
    plain = deb(CONTROL, MEMBERS, extra=extra, suffix="")
    again = read_deb(tmp_path / "plain.deb")
    assert again.control_members == package.control_members
    assert list(again.entries()) == list(package.entries())
    assert b"".join(again.tar()) in plain
    if suffix == "":
        assert (tmp_path / "plain.deb").read_bytes() == plain


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: b"PK" + data[2:], "ar archive"),
        (lambda data: data[:-200], "ends within"),
        (lambda data: data[: data.index(b"data.tar")], "no member data.tar"),
        (lambda data: data.replace(b"data.tar.xz ", b"data.tar.foo"), "no member data.tar"),
        (lambda data: data.replace(b"2.0\n", b"9.0\n", 1), "format"),
        (lambda data: ar([("debian-binary", b"2.0\n")]), "no member control.tar"),
    ],
)
def test_a_damaged_package_is_refused(tmp_path: Path, damage: object, why: str) -> None:
    assert callable(damage)
    path = write(tmp_path, damage(deb(CONTROL, MEMBERS)))
    with pytest.raises(DockyardError) as caught:
        list(read_deb(path).entries())
    assert caught.value.problems[0].code == "deb.malformed"
    assert why in caught.value.problems[0].why


def pax(**records: str) -> bytes:
    """A file with records of pax, which say more of it than its header."""
    info = tarfile.TarInfo("./file")
    info.size, info.pax_headers = 3, {key.replace("_", "."): each for key, each in records.items()}
    return info.tobuf(tarfile.PAX_FORMAT) + b"a\nb".ljust(512, b"\0")


def sparse(size: int) -> bytes:
    """A file of GNU's sparse form, that is all a hole."""
    info = tarfile.TarInfo("./file")
    info.type = tarfile.GNUTYPE_SPARSE
    made = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    made[386:410] = b"%011o\0" % 0 * 2
    made[483:495] = b"\x80" + size.to_bytes(11, "big")
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


@pytest.mark.parametrize(
    "data",
    [
        sparse(1 << 50),
        pax(GNU_sparse_map="0,1", GNU_sparse_size="9"),
        pax(GNU_sparse_map="a,b", GNU_sparse_size="9"),
        pax(GNU_sparse_size="x"),
        pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="9"),
        pax(GNU_sparse_realsize=str(1 << 50)),
        pax(size=str(1 << 50)),
        pax(size="-5"),
        pax(mtime="nan"),
        pax(mtime="inf"),
        pax(mtime="1e300"),
        pax(uid=str(1 << 32)),
        pax(path="./a\0b"),
        pax(path="./a\0b", linkpath="./c"),
        tarfile.TarInfo("./file").tobuf()[:300],
    ],
)
def test_a_tar_that_lies_is_refused(tmp_path: Path, data: bytes) -> None:
    control = tar([Member("./control", b"Package: a\nVersion: 1\n")])
    members = [("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", data)]
    with pytest.raises(DockyardError) as caught:
        list(read_deb(write(tmp_path, ar(members))).entries())
    assert caught.value.problems[0].code == "deb.malformed"
    members[1] = ("control.tar", data)
    with pytest.raises(DockyardError) as caught:
        read_deb(write(tmp_path, ar(members)))
    assert caught.value.problems[0].code == "deb.malformed"


def test_damage_within_the_compressed_data_is_found(tmp_path: Path) -> None:
    data = bytearray(deb(CONTROL, [Member("./a", bytes(range(256)) * 4000)]))
    data[-60] ^= 0xFF
    package = read_deb(write(tmp_path, bytes(data)))
    with pytest.raises(DockyardError, match="not a whole Debian package"):
        list(package.entries())


@pytest.mark.parametrize("name", ["../evil", "./usr/../../evil", "usr/.."])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    package = read_deb(write(tmp_path, deb(CONTROL, [Member(name, b"")])))
    with pytest.raises(DockyardError) as caught:
        list(package.entries())
    assert "leads out" in caught.value.problems[0].why
