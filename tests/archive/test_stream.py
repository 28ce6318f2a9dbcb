"""The canonical stream: read back by our own reader and by tarfile, cut short, and foreign ones."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.archive import Archive, Entry, Kind, read_stream, scan_stream, streamed, write_stream
from dockyard.archive.acl_text import acl_text
from dockyard.archive.entry import order
from dockyard.archive.stream import header
from dockyard.errors import DockyardError
from nasty_archive import DATA, nasty, same


def stream_of(archive: Archive) -> bytes:
    out = io.BytesIO()
    write_stream(archive, out)
    return out.getvalue()


def test_everything_comes_back(tmp_path: Path) -> None:
    archive = nasty()
    file = tmp_path / "stream"
    file.write_bytes(stream_of(archive))
    found = scan_stream(file)
    same(found, archive)
    assert found.read(b"a/large") == DATA[b"a/large"]
    assert found.read(b"m/third") == DATA[b"h/first"]


def test_a_pipe_gets_the_same_bytes_as_memory() -> None:
    with streamed(nasty()) as out:
        assert out.read() == stream_of(nasty())


def test_a_reader_that_stops_early_is_no_failure_of_the_stream() -> None:
    with streamed(nasty()) as out:
        assert len(out.read(100)) == 100


def test_data_that_vanished_stop_the_stream(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"data" * 50_000)
    archive = Archive.from_entries([Entry(b"f", Kind.FILE)], {b"f": file})
    file.write_bytes(b"data")
    with pytest.raises(DockyardError) as caught, streamed(archive) as out:
        out.read()
    assert caught.value.problems[0].code == "archive.changed-meanwhile"
    file.unlink()
    with pytest.raises(DockyardError) as caught:
        stream_of(archive)
    assert caught.value.problems[0].code == "archive.unreadable"


def test_tarfile_reads_the_stream() -> None:
    archive = nasty()
    with tarfile.open(fileobj=io.BytesIO(stream_of(archive)), errors="surrogateescape") as opened:
        members = opened.getmembers()
        by_name = {member.name.encode(errors="surrogateescape"): member for member in members}
        assert [by_name[e.path or b"."].mode for e in archive] == [e.mode for e in archive]
        assert [by_name[e.path or b"."].uid for e in archive] == [e.uid for e in archive]
        assert [by_name[e.path or b"."].gid for e in archive] == [e.gid for e in archive]
        for entry in archive:
            member = by_name[entry.path or b"."]
            assert member.mtime == pytest.approx(entry.mtime_ns / 1e9)
            assert member.linkname.encode(errors="surrogateescape") == entry.target
            assert (member.devmajor, member.devminor) == entry.rdev
            if entry.kind is Kind.FILE:
                data = opened.extractfile(member)
                assert data is not None
                assert data.read() == archive.read(entry.path)
        text = by_name[b"x/many"].pax_headers["SCHILY.xattr.user.text"]
        assert text == "text"


def test_names_that_are_not_ascii_are_declared_binary_before_the_name() -> None:
    archive = Archive.from_entries([Entry(b"\xc3\xbc", Kind.FILE)])
    data = stream_of(archive)
    assert 0 < data.index(b"21 hdrcharset=BINARY\n") < data.index(b"11 path=\xc3\xbc\n")


def test_numbers_that_a_header_has_no_room_for_are_records() -> None:
    entry = Entry(b"f", Kind.FILE, size=9 << 30, uid=3_000_000, mtime_ns=-1_500_000_000)
    made = header(entry)
    for record in (b"size=9663676416\n", b"uid=3000000\n", b"mtime=-1.500000000\n"):
        assert record in made
    member = next(read_stream(io.BytesIO(made)))
    assert (member.entry.size, member.entry.uid) == (9 << 30, 3_000_000)
    assert member.entry.mtime_ns == -1_500_000_000


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_streams_of_other_writers_are_read(tmp_path: Path, kind: int) -> None:
    file = tmp_path / "stream"
    long = "/".join(["d" * 60] * 3)
    with tarfile.open(file, "w", format=kind) as opened:
        for name, type_ in (("./", tarfile.DIRTYPE), ("./" + long, tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mtime, member.uid = type_, 1_700_000_000, 1000
            member.size = 3 if type_ == tarfile.REGTYPE else 0
            opened.addfile(member, io.BytesIO(b"abc"))
    found = scan_stream(file)
    assert [entry.path for entry in found] == [b"", long.encode()]
    assert found.entries[1].uid == 1000
    assert found.read(long.encode()) == b"abc"


def _damaged(data: bytes) -> list[tuple[str, bytes]]:
    return [
        ("checksum", b"X" + data[1:]),
        ("cut short", data[:-700]),
        ("cut short", data[:100]),
        ("leads out", _renamed(data, b"../x")),
    ]


def _renamed(data: bytes, name: bytes) -> bytes:
    block = bytearray(data[:512])
    block[:100] = name.ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


@pytest.mark.parametrize("which", range(4))
def test_a_damaged_stream_is_refused(which: int) -> None:
    data = stream_of(Archive.from_entries([Entry(b"f", Kind.FILE)], {b"f": b"x" * 600}))
    why, damaged = _damaged(data)[which]
    with pytest.raises(DockyardError) as caught:
        for member in read_stream(io.BytesIO(damaged)):
            member.data.read()
    assert caught.value.problems[0].code == "archive.not-a-stream"
    assert why in caught.value.problems[0].why


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"uid=-7", "not decimal"),
        (b"uid=99999999999", "out of range"),
        (b"gid=x", "not decimal"),
        (b"size=-5", "not decimal"),
        (b"size=" + b"9" * 20, "out of range"),
        (b"mtime=1e9", "not decimal"),
        (b"mtime=" + b"9" * 20, "out of range"),
        (b"path=a\0b", "NUL"),
        (b"SCHILY.xattr.user.a\0b=v", "NUL"),
    ],
)
def test_numbers_and_names_that_the_kernel_does_not_take_are_refused(
    record: bytes, why: str
) -> None:
    text = b"%02d %s\n" % (len(record) + 4, record)
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(text)
    stream = header.tobuf() + text.ljust(512, b"\0") + tarfile.TarInfo("f").tobuf()
    with pytest.raises(DockyardError, match="could not be read") as caught:
        list(read_stream(io.BytesIO(stream + bytes(1024))))
    assert why in caught.value.problems[0].why


@pytest.mark.parametrize(("at", "size"), [(108, 8), (124, 12), (136, 12), (329, 8)])
@pytest.mark.parametrize("first", [b"\x80", b"\xff"])
def test_numbers_in_base_256_are_held_to_what_the_kernel_takes(
    at: int, size: int, first: bytes
) -> None:
    header = tarfile.TarInfo("f")
    header.type = tarfile.CHRTYPE if at == 329 else tarfile.REGTYPE
    block = bytearray(header.tobuf())
    block[at : at + size] = first + b"\x7f" * (size - 1)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(DockyardError) as caught:
        list(read_stream(io.BytesIO(block + bytes(1024))))
    assert "out of range" in caught.value.problems[0].why


_names = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b"..")
)
_xattrs = st.dictionaries(
    st.sampled_from([b"user.a", b"user.b=c", b"security.selinux", b"trusted.x"]).filter(
        lambda name: b"=" not in name
    ),
    st.binary(max_size=300),
    max_size=3,
).map(lambda found: tuple(sorted(found.items())))
_ids = st.integers(0, 2**32 - 2)


@st.composite
def _archives(draw: st.DrawFn) -> Archive:
    entries: dict[bytes, Entry] = {}
    data: dict[bytes, bytes] = {}
    directories = [b""]
    for name in draw(st.lists(_names, max_size=8, unique=True)):
        parent = draw(st.sampled_from(directories))
        path = parent + b"/" + name if parent else name
        kind = draw(st.sampled_from([Kind.DIRECTORY, Kind.FILE, Kind.SYMLINK, Kind.BLOCK]))
        entries[path] = Entry(
            path,
            kind,
            draw(st.integers(0, 0o7777)),
            draw(_ids),
            draw(_ids),
            draw(st.integers(-(2**40) * 10**9, 2**40 * 10**9)),
            target=draw(_names) if kind is Kind.SYMLINK else b"",
            rdev=draw(st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1)))
            if kind is Kind.BLOCK
            else (0, 0),
            xattrs=draw(_xattrs),
        )
        if kind is Kind.DIRECTORY:
            directories.append(path)
        elif kind is Kind.FILE:
            data[path] = draw(st.binary(max_size=2000))
    return Archive.from_entries([Entry(b"", Kind.DIRECTORY), *entries.values()], data)


@given(_archives())
@settings(max_examples=150, deadline=None)
def test_any_archive_comes_back(archive: Archive) -> None:
    found = []
    for member in read_stream(io.BytesIO(stream_of(archive))):
        assert member.data.read() == (
            archive.read(member.entry.path) if member.entry.kind is Kind.FILE else b""
        )
        found.append(member.entry)
    assert [entry.path for entry in found] == [entry.path for entry in archive]
    for entry, expected in zip(found, archive, strict=True):
        assert entry.xattrs == expected.xattrs
        assert (entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns) == (
            expected.kind,
            expected.mode,
            expected.uid,
            expected.gid,
            expected.mtime_ns,
        )
        assert (entry.size, entry.target, entry.rdev) == (
            expected.size,
            expected.target,
            expected.rdev,
        )


def test_the_order_is_by_components() -> None:
    paths = [b"a-b", b"a/b", b"a", b"a.b", b""]
    assert sorted(paths, key=order) == [b"", b"a", b"a/b", b"a-b", b"a.b"]


def test_a_portable_stream_has_acls_as_text_and_names_as_they_are() -> None:
    out = io.BytesIO()
    write_stream(nasty(), out, portable=True)
    stream = out.getvalue()
    assert b"SCHILY.acl.access=user::rw-,user:1000:r--,group::r--,mask::rw-,other::---\n" in stream
    assert b"hdrcharset" not in stream
    assert b"SCHILY.acl" not in stream_of(nasty())
    assert [member.entry.path for member in read_stream(io.BytesIO(stream))] == [
        entry.path for entry in nasty()
    ]


@pytest.mark.parametrize("value", [b"", b"\2\0\0\0cut", b"\1\0\0\0", b"\2\0\0\0" + b"\x03\0" * 4])
def test_a_damaged_acl_is_no_text(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        acl_text(value)


def test_the_text_of_an_acl_says_all_kinds_of_entries() -> None:
    entries = [(1, 7, -1), (2, 4, 7), (4, 5, -1), (8, 1, 4294967294), (16, 7, -1), (32, 0, -1)]
    value = b"\2\0\0\0" + b"".join(
        struct.pack("<HHI", tag, bits, number & 0xFFFFFFFF) for tag, bits, number in entries
    )
    assert acl_text(value) == (
        b"user::rwx,user:7:r--,group::r-x,group:4294967294:--x,mask::rwx,other::---"
    )
