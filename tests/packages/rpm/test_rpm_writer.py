"""Packages written and read back, by our reader and by another implementation."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
import rpmfile
from packages_for_rpm import directory, file, rich_package, scripted_package, write

from dockyard.errors import DockyardError
from dockyard.packages.compression import decompressed
from dockyard.packages.rpm.contents import FileFlag, PackagedFile, Sense, parse_relation
from dockyard.packages.rpm.header import Tag
from dockyard.packages.rpm.reader import read_package


def test_what_is_written_is_read(tmp_path: Path) -> None:
    package = rich_package()
    found = read_package(write(package, tmp_path / "a.rpm"))
    assert found.nevra == "sample-2:1.0~rc1-3.noarch"
    assert found.header.text(Tag.DESCRIPTION) == package.description
    wanted = {item.path: item for item in package.files}
    files = list(found.contents())
    assert [item.path for item in files] == sorted(wanted, key=str.encode)
    for item in files:
        assert replace(item, link=0) == replace(wanted[item.path], link=0)


def test_hard_links_stay_apart_and_together(tmp_path: Path) -> None:
    files = {
        item.path: item for item in read_package(write(rich_package(), tmp_path / "a.rpm")).files()
    }
    assert files["/usr/bin/gzip"].link == files["/usr/bin/zcat"].link != 0
    assert files["/usr/bin/halt"].link == files["/usr/bin/poweroff"].link != 0
    assert files["/usr/bin/gzip"].link != files["/usr/bin/halt"].link
    assert files["/usr/bin/alone"].link == 0


def test_relations_bring_the_features_that_they_need(tmp_path: Path) -> None:
    found = read_package(write(rich_package(), tmp_path / "a.rpm"))
    requires = {str(item): item.sense for item in found.relations("requires")}
    assert "(other >= 2 or sample)" in requires
    assert requires["virtual"] & Sense.SCRIPT_PRE
    for feature in ("RichDependencies", "FileCaps", "TildeInVersions", "PayloadIsZstd"):
        assert any(name.startswith(f"rpmlib({feature})") for name in requires)
    plain = replace(rich_package(), requires=(), provides=(), version="1", files=())
    names = {
        item.name for item in read_package(write(plain, tmp_path / "b.rpm")).relations("requires")
    }
    assert names == {"rpmlib(PayloadIsZstd)"}


def test_another_implementation_reads_the_same(tmp_path: Path) -> None:
    path = write(rich_package(), tmp_path / "a.rpm")
    payload = io.BytesIO(path.read_bytes()[read_package(path).payload_offset :])
    with rpmfile.open(str(path)) as oracle:
        # It would need another module to decompress.
        oracle._data_file = decompressed(payload, ".zst")
        assert oracle.headers["name"] == b"sample"
        assert oracle.headers["version"] == b"1.0~rc1"
        assert oracle.headers["archive_compression"] == b"zstd"
        names = {member.name for member in oracle.getmembers()}
        assert oracle.extractfile("./etc/sample.conf").read() == b"a=b\n"
    in_payload = [item for item in rich_package().files if not item.flags & FileFlag.GHOST]
    assert names == {f".{item.path}" for item in in_payload if not item.is_directory}


def test_the_same_contents_are_the_same_bytes(tmp_path: Path) -> None:
    package = rich_package()
    again = replace(
        package,
        files=list(reversed(list(package.files))),
        requires=list(reversed(list(package.requires))),
    )
    one, two = write(package, tmp_path / "a.rpm"), write(again, tmp_path / "b.rpm")
    assert one.read_bytes() == two.read_bytes()


def test_payload_digests_hold(tmp_path: Path) -> None:
    found = read_package(write(rich_package(), tmp_path / "a.rpm"))
    payload = found.path.read_bytes()[found.payload_offset :]
    assert found.header.texts(Tag.PAYLOADDIGEST) == (hashlib.sha256(payload).hexdigest(),)


def test_scriptlets_and_triggers_stand_in_the_header(tmp_path: Path) -> None:
    header = read_package(write(scripted_package(), tmp_path / "a.rpm")).header
    assert header.text(Tag.POSTIN) == "echo post\n"
    assert header.text(Tag.PREUNPROG) == "/usr/sbin/ldconfig"
    assert Tag.PREUN not in header
    assert header.texts(Tag.TRANSFILETRIGGERNAME) == ("/usr/lib", "/usr/lib64")
    assert header.numbers(Tag.TRANSFILETRIGGERINDEX) == (0, 0)
    assert header.numbers(Tag.TRANSFILETRIGGERPRIORITIES) == (7,)
    assert header.numbers(Tag.FILETRIGGERFLAGS) == (int(Sense.TRIGGERPOSTUN),)


def test_sizes_count_each_file_once_and_no_ghost(tmp_path: Path) -> None:
    ghost = file("/g", b"", flags=FileFlag.GHOST)
    package = replace(
        rich_package(),
        files=[
            directory("/d"),
            file("/d/a", b"12345", link=1),
            file("/d/b", b"12345", link=1),
            ghost,
        ],
    )
    assert read_package(write(package, tmp_path / "a.rpm")).header.number(Tag.SIZE) == 5


def test_a_path_given_twice_is_refused(tmp_path: Path) -> None:
    package = replace(rich_package(), files=[directory("/a"), directory("/a")])
    with pytest.raises(ValueError, match="twice"):
        write(package, tmp_path / "a.rpm")


def test_names_that_are_not_unicode_survive(tmp_path: Path) -> None:
    odd = b"/usr/\xff\xfe".decode("utf-8", "surrogateescape")
    package = replace(rich_package(), files=[PackagedFile(odd, 0o100644, b"x")])
    (found,) = read_package(write(package, tmp_path / "a.rpm")).contents()
    assert (found.path, found.data) == (odd, b"x")


@pytest.mark.parametrize("cut", [10, 200, 900, -20])
def test_cut_packages_are_named_and_refused(tmp_path: Path, cut: int) -> None:
    path = write(rich_package(), tmp_path / "cut.rpm")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DockyardError) as caught:
        list(read_package(path).contents())
    assert caught.value.problems[0].code == "rpm.malformed"
    assert "cut.rpm" in caught.value.problems[0].what


@pytest.mark.parametrize("text", ["a b", "a >= ", "(a or b", "a >> 1", "a>=1"])
def test_relations_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_relation(text)
