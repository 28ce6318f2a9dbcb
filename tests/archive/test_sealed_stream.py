"""A file that was sealed and not touched since goes into a stream unread; any other is digested."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.archive import Archive, load, save, scan, streamed, unpack
from dockyard.archive.archive import GivenSource, TreeSource
from dockyard.errors import DockyardError
from dockyard.host import mounts, seal
from nasty_archive import nasty, plain

pytestmark = pytest.mark.usefixtures("namespace")
LARGE, SMALL = b"a/large", b"a/one"


@pytest.fixture
def result(tmp_path: Path, namespace: None) -> object:
    """A sealed directory with a tree in it, on a tmpfs of the namespace."""
    with mounts.tmpfs(tmp_path):
        made = tmp_path / "result"
        (made / "tree").mkdir(parents=True)
        unpack(plain(), made / "tree")
        archive = scan(made / "tree")
        save(archive, made / "index")
        known = {f"tree/{os.fsdecode(e.path)}": e.digest for e in archive if e.digest is not None}
        seal.write(made, known)
        yield made


def loaded(result: Path) -> Archive:
    return load(result / "index", [result / "tree"])


def known(result: Path, path: bytes) -> bool:
    archive = loaded(result)
    with archive.open(path) as opened:
        return archive.is_as_listed(archive.positions[path], opened)


def stream_of(archive: Archive) -> bytes:
    with streamed(archive) as stream:
        return stream.read()


def test_the_stream_is_the_same_whether_it_was_read_or_not(result: Path) -> None:
    assert known(result, LARGE) and known(result, SMALL)
    quick = stream_of(loaded(result))
    (result / seal.NAME).unlink()
    assert not known(result, LARGE)
    slow = stream_of(loaded(result))
    assert quick == slow
    given = GivenSource({e.path: plain().read(e.path) for e in plain() if e.digest})
    assert stream_of(Archive(loaded(result).entries, (given,))) == slow


@pytest.mark.parametrize("path", [LARGE, SMALL])
def test_a_file_that_was_written_to_is_noticed_whatever_its_times_say(
    result: Path, path: bytes
) -> None:
    file = result / "tree" / os.fsdecode(path)
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not known(result, path)
    with pytest.raises(DockyardError) as caught:
        stream_of(loaded(result))
    assert caught.value.problems[0].code == "archive.damaged"


def test_a_file_that_was_touched_and_is_as_it_was_is_taken(result: Path) -> None:
    file = result / "tree" / os.fsdecode(LARGE)
    expected = stream_of(loaded(result))
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    copy.rename(file)
    assert not known(result, LARGE)
    assert stream_of(loaded(result)) == expected


def test_a_seal_of_another_digest_says_nothing(result: Path) -> None:
    seal.write(result, {f"tree/{os.fsdecode(LARGE)}": "0" * 64})
    assert not known(result, LARGE)


def test_only_what_is_in_a_tree_is_sealed() -> None:
    archive = nasty()
    with archive.open(SMALL) as opened:
        assert not archive.is_as_listed(archive.positions[SMALL], opened)


def test_a_directory_without_a_seal_vouches_for_nothing(result: Path) -> None:
    (result / seal.NAME).write_text("0\n{}")
    source = TreeSource(result / "tree")
    with source.open(SMALL) as opened:
        assert source.sealed_digest(SMALL, opened) is None
