"""Trees of packages, put together: what their files share, what is copied, and what is found when
somebody wrote to a package's tree.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from dockyard import archive
from dockyard.errors import DockyardError
from dockyard.host import removal, seal
from dockyard.host.sandbox import Tools
from dockyard.install import rpmdb
from dockyard.install.compose import Unsuited, compose, discard
from dockyard.install.indices import select
from dockyard.install.links import Links
from dockyard.install.unpack import HEADER, TREE, unpack_package
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage
from dockyard.packages.rpm.writer import write_package

EPOCH = 1_700_000_000
ACCOUNTS = (("/etc/passwd", b"root:x:0:0:\ncrew:x:77:78:\n"), ("/etc/group", b"hands:x:78:\n"))


def unpacked(directory: Path, name: str, *files: PackagedFile) -> Path:
    package = RpmPackage(name, "1", "1", name, "MIT", build_time=EPOCH, files=files)
    path, place = directory / package.file_name, directory / name
    with path.open("wb") as out:
        write_package(package, out)
    place.mkdir()
    listed = unpack_package(path, place)
    digests = {f"{TREE}/{os.fsdecode(e.path)}": e.digest for e in listed if e.digest}
    seal.write(place, digests)
    return place


def file(path: str, data: bytes = b"text\n", **more: object) -> PackagedFile:
    return PackagedFile(path, stat.S_IFREG | 0o644, data, mtime=EPOCH - 5, **more)  # type: ignore[arg-type]


def tick() -> None:
    time.sleep(0.02)  # longer than the clock of change times stands still


def test_files_are_shared_and_those_with_other_attributes_copied(
    namespace: None, tmp_path: Path
) -> None:
    late = PackagedFile("/late", stat.S_IFREG | 0o644, b"late", mtime=EPOCH + 5)
    owned = file("/owned", owner="crew", group="hands")
    accounts = [file(path, data) for path, data in ACCOUNTS]
    place = unpacked(tmp_path, "some", file("/shared"), late, owned, *accounts)
    trees = [tmp_path / "one", tmp_path / "two"]
    for tree in trees:
        made = compose([place], tree, EPOCH)
        assert made.entries == archive.scan(tree, epoch=EPOCH).entries
        tick()
    inodes = {tree.joinpath("shared").stat().st_ino for tree in (*trees, place / TREE)}
    assert len(inodes) == 1
    for name in ("late", "owned"):
        assert len({tree.joinpath(name).stat().st_ino for tree in (*trees, place / TREE)}) == 3
    assert (trees[0] / "owned").stat().st_uid == 77 and (trees[0] / "owned").stat().st_gid == 78
    assert (trees[0] / "late").stat().st_mtime == EPOCH
    assert (place / TREE / "late").stat().st_mtime == EPOCH + 5
    assert seal.damage(place) == ""


def test_a_file_of_a_package_that_was_written_to_comes_into_no_tree(
    namespace: None, tmp_path: Path
) -> None:
    place = unpacked(tmp_path, "some", file("/a"), file("/b"))
    compose([place], tmp_path / "first", EPOCH)
    assert seal.sealed_at(place) >= (place / TREE / "a").stat().st_ctime_ns
    tick()
    changed = place / TREE / "b"
    before = changed.stat()
    changed.write_bytes(b"TEXT\n")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DockyardError) as caught:
        compose([place], tmp_path / "second", EPOCH)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("archive.damaged", "/b")
    changed.write_bytes(b"text\n")  # as it was
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    compose([place], tmp_path / "third", EPOCH)


def test_a_tree_that_is_discarded_leaves_its_packages_as_they_were(
    namespace: None, tmp_path: Path
) -> None:
    place = unpacked(tmp_path, "some", file("/a"), file("/b"))
    touched = unpacked(tmp_path, "other", file("/c"), file("/dev/nobody-sees-it"))
    tick()
    compose([place, touched], tmp_path / "tree", EPOCH)
    tick()
    before = seal.sealed_at(touched)
    discard(tmp_path / "tree", [place, touched])
    assert not (tmp_path / "tree").exists()
    assert seal.sealed_at(place) >= (place / TREE / "a").stat().st_ctime_ns
    assert seal.sealed_at(touched) == before


def test_what_was_not_looked_at_is_not_sealed_again(namespace: None, tmp_path: Path) -> None:
    place = unpacked(tmp_path, "some", file("/a"), file("/dev/nobody-sees-it"))
    sealed = seal.sealed_at(place)
    tick()
    compose([place], tmp_path / "tree", EPOCH)
    assert seal.sealed_at(place) == sealed


def test_a_header_that_rpm_would_keep_apart_is_rpms_matter(namespace: None, tmp_path: Path) -> None:
    place = unpacked(tmp_path, "some", PackagedFile("/x", stat.S_IFSOCK | 0o644))
    with pytest.raises(Unsuited, match="it has the device or socket /x"):
        compose([place], tmp_path / "tree", EPOCH)
    (place / HEADER).write_bytes(b"")  # what `unpack_package` leaves of such a header
    database = tmp_path / "database"
    with pytest.raises(Unsuited, match="it has the device or socket /x"):
        rpmdb.make([place], database, Tools(tmp_path), EPOCH, documents=True)
    module = file("/usr/lib/modules/6/modules.builtin")
    kernel = unpacked(tmp_path, "kernel", module, file("/usr/sbin/depmod"))
    database.mkdir()
    select("modules", {"some": place, "kernel": kernel}, database)


@pytest.mark.parametrize(
    "listed",
    [
        file("/../canary/x"),
        file("/usr/../../x"),
        file("/usr//x"),
        file("/usr/./x"),
        file("/"),
        PackagedFile("/usr/", stat.S_IFDIR | 0o755),
        file("/" + "a" * 300),
        PackagedFile("/link", stat.S_IFLNK | 0o777),
        file(("/" + "a" * 200) * 30),
    ],
    ids=lambda listed: listed.path[:20],
)
def test_a_package_with_a_name_that_no_tree_has_is_refused(
    namespace: None, tmp_path: Path, listed: PackagedFile
) -> None:
    with pytest.raises(DockyardError) as caught:
        unpacked(tmp_path, "some", listed)
    assert caught.value.problems[0].code == "rpm.malformed"


def test_what_lies_a_thousand_directories_deep_is_rpms_matter(
    namespace: None, tmp_path: Path
) -> None:
    place = unpacked(tmp_path, "some", file("/" + "/".join("a" * 1500)))
    with pytest.raises(Unsuited, match="more than 200 names"):
        compose([place], tmp_path / "tree", EPOCH)
    removal.remove_tree(place)  # deeper than pytest removes


@pytest.mark.parametrize("number", ["65536", "4294967295", "9" * 5000, "²", "-1"])
def test_owners_whom_the_namespace_lacks_are_rpms_matter(
    namespace: None, tmp_path: Path, number: str
) -> None:
    passwd = file("/etc/passwd", f"crew:x:{number}:0:\n".encode())
    place = unpacked(tmp_path, "some", passwd, file("/owned", owner="crew"))
    with pytest.raises(Unsuited, match="which no package defines"):
        compose([place], tmp_path / "tree", EPOCH)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (b"bin/sh", b"usr/bin/sh"),
        (b"bin", b"bin"),
        (b"lib/modules/x", b"usr/lib/modules/x"),
        (b"a/b/file", b"usr/lib/file"),
        (b"a/b", b"c/b"),
        (b"up/file", b"file"),
        (b"one/file", b"one/file"),
        (b"other/one/two", b"other/one/two"),
    ],
)
def test_links_of_directories_are_resolved_as_the_kernel_does(path: bytes, place: bytes) -> None:
    links = {
        b"bin": b"usr/bin",
        b"lib": b"/usr/lib",
        b"a": b"c",
        b"c/b": b"../lib/./",
        b"up": b"../../..",
    }
    assert Links(links.items()).resolved(path) == place


def test_links_in_circles_end() -> None:
    links = Links([(b"one", b"two"), (b"two", b"one"), (b"self", b"self/self")])
    assert links.resolved(b"one/file").endswith(b"file")
    assert links.resolved(b"self/file").endswith(b"file")
