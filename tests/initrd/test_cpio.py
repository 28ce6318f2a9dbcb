"""newc archives: order, numbers and hard links come from the entries alone."""

from __future__ import annotations

import io
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from newc import members, unpack

from dockyard.initrd.cpio import Member, write

EPOCH = 1_767_225_600


def archive(entries: Sequence[Member]) -> bytes:
    out = io.BytesIO()
    assert write(entries, out, EPOCH) == len(out.getvalue())
    return out.getvalue()


def file(name: str, data: bytes, mode: int = 0o444) -> Member:
    return Member(name.encode(), stat.S_IFREG | mode, data)


def test_members_are_sorted_owned_by_root_and_of_one_time() -> None:
    entries = [
        file("etc/b", b"2"),
        Member(b"etc", stat.S_IFDIR | 0o755),
        Member(b"dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        Member(b"dev", stat.S_IFDIR | 0o755),
        Member(b"init", stat.S_IFLNK | 0o777, b"usr/lib/systemd/systemd"),
    ]
    found = members(archive(entries))
    assert [item.name for item in found] == ["dev", "dev/console", "etc", "etc/b", "init"]
    assert {item.owner for item in found} == {(0, 0)}
    assert {item.mtime for item in found} == {EPOCH}
    assert found[1].device == (5, 1) and stat.S_ISCHR(found[1].mode)
    assert found[4].data == b"usr/lib/systemd/systemd"
    assert [item.inode for item in found] == [1, 2, 3, 4, 5]


def test_the_order_of_the_entries_does_not_matter() -> None:
    entries = [file(name, name.encode()) for name in ("a", "a-b", "a.b", "ab", "B")]
    assert archive(entries) == archive(entries[::-1])


def test_equal_files_become_hard_links_with_their_data_at_the_last() -> None:
    entries = [file("a", b"same"), file("b", b"same"), file("c", b"same", 0o555), file("d", b"")]
    a, b, c, d = members(archive([*entries, file("e", b"")])[:])[:4]
    assert (a.inode, a.links, a.data) == (b.inode, 2, b"")
    assert (b.links, b.data) == (2, b"same")
    assert (c.links, c.data) == (1, b"same") and c.inode != a.inode
    assert d.links == 1


@given(st.dictionaries(st.text("abc", min_size=1, max_size=6), st.binary(max_size=9), max_size=12))
@settings(deadline=None)  # a loaded machine takes its time
def test_every_content_comes_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unpack(archive([file(name, data) for name, data in files.items()]), Path(folder))
        found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert found == files
