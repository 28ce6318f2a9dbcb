"""XFS: what it holds comes back by our own reader, twice the same bytes; the rest is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC, digest

from dockyard.archive import Archive, Entry, Kind, unpack
from dockyard.archive.named_ids import ACLS
from dockyard.errors import DockyardError
from dockyard.filesystems import staging, xfs
from dockyard.host import mounts
from dockyard.host.sandbox import Tools
from nasty_archive import (
    ACL,
    DATA,
    LABEL,
    SECOND,
    directory,
    file,
    hard_entries,
    nasty,
    plain,
    plain_entries,
    same,
    same_data,
)

SIZE = 300 << 20
build = pytest.mark.build
FAR_ACL = ACL.replace((1000).to_bytes(4, "little"), (4_000_000).to_bytes(4, "little"))


@build
def test_what_it_can_hold_comes_back(testing_tools: Tools, tmp_path: Path) -> None:
    large = b"".join(b"%d" % at for at in range(9000))
    archive = Archive.from_entries(
        [
            *plain_entries()[1:],
            directory(b"", 0o750, uid=5, gid=6, xattrs=((b"security.selinux", LABEL),)),
            file(b"x/remote", xattrs=((b"user.remote", large), (b"user.small", b"1"))),
            file(b"i-70000", uid=70000, gid=70001),
            file(b"i-last", uid=4294967294, gid=4294967294),
            file(b"t/2040", mtime_ns=2_208_988_800 * SECOND + 5),
            file(b"t/before", mtime_ns=-100 * SECOND),
        ],
        DATA,
    )
    image = tmp_path / "image"
    assert xfs.refuse(archive) == []
    xfs.write(archive, image, SIZE, SPEC, testing_tools)
    assert image.stat().st_size == SIZE
    found = xfs.read(image)
    same(found, archive)
    same_data(found, archive)
    testing_tools.run(["xfs_repair", "-n", str(image)], read=[image])
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@build
@pytest.mark.parametrize("many", [0, 40, 900])
def test_what_other_things_stand_for_is_what_it_was(
    testing_tools: Tools, tmp_path: Path, many: int
) -> None:
    more = tuple((b"user.%03d" % at, b"v" * 120) for at in range(many))
    kept = [entry for entry in hard_entries() if entry.path != b"x/void"]
    archive = Archive.from_entries(
        [
            *plain_entries()[1:],
            *(entry for entry in kept if entry.path not in (b"dev", b"x/acls")),
            directory(b"", xattrs=((ACLS[1], ACL), (b"trusted.root", b"r"))),
            directory(b"dev", xattrs=((ACLS[0], ACL),)),
            directory(b"x/acls", 0o770, xattrs=(*((name, ACL) for name in ACLS), *more)),
            file(b"x/far", xattrs=((ACLS[0], FAR_ACL), *((b"trusted" + name[4:], value)
                                                       for name, value in more))),
            file(b"x/large", xattrs=((b"trusted.large", b"l" * 5000), (b"user.large", b"l"))
                 if not many else ((b"trusted.large", b"l" * 5000),)),
            Entry(b"x/zero", Kind.HARDLINK, target=b"dev/null"),
            *(file(b"dev/%05d" % at) for at in range(many)),
        ],
        DATA,
    )  # fmt: skip
    refused = [problem.code for problem in xfs.refuse(archive)]
    if not many:
        assert refused == ["filesystems.xattr-names"]
        archive = archive.changed(lambda entry: replace(entry, xattrs=())
                                  if entry.path == b"x/large" else entry)  # fmt: skip
    assert many == 0 or not refused
    image = tmp_path / "image"
    xfs.write(archive, image, SIZE, SPEC, testing_tools)
    same(xfs.read(image), archive)
    testing_tools.run(["xfs_repair", "-n", str(image)], read=[image])


@build
def test_the_same_bytes_twice(testing_tools: Tools, tmp_path: Path) -> None:
    for name in ("one", "two"):
        xfs.write(plain(), tmp_path / name, SIZE, SPEC, testing_tools)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@build
@pytest.mark.parametrize("files", [10, 3000])
def test_directories_of_every_form_are_read(
    testing_tools: Tools, tmp_path: Path, files: int
) -> None:
    holes = b"".join(b"x" * 4096 + bytes(4096) for _ in range(700))
    attributes = tuple((b"user.%03d" % at, b"v" * 200) for at in range(100))
    archive = Archive.from_entries(
        [
            file(b"holes"),
            file(b"attributes", xattrs=attributes),
            *(file(b"d/%05d-%b" % (at, b"n" * 80)) for at in range(files)),
        ],
        {b"holes": holes},
    )
    image = tmp_path / "image"
    xfs.write(archive, image, SIZE, SPEC, testing_tools)
    same(xfs.read(image), archive)


@build
def test_the_minimum_size_is_enough(testing_tools: Tools, tmp_path: Path) -> None:
    data = {b"d%d/f%05d" % (at % 7, at): b"x" * (at % 9000) for at in range(4000)}
    data[b"large"] = b"large" * (50 << 20)
    archive = Archive.from_entries([file(path) for path in data], data)
    xfs.write(archive, tmp_path / "image", xfs.minimum_size(archive), SPEC, testing_tools)
    same(xfs.read(tmp_path / "image"), archive)


def test_what_cannot_be_held_is_refused_by_path() -> None:
    archive = Archive.from_entries(
        [*nasty(), Entry(b"zlink", Kind.SYMLINK, target=b"t" * 1024)], DATA
    )
    assert {problem.code: problem.where for problem in xfs.refuse(archive)} == {
        "filesystems.empty-xattr": "/x/void",
        "filesystems.long-target": "/zlink",
    }


@pytest.mark.usefixtures("namespace")
def test_a_staged_tree_lists_its_names_in_canonical_order(tmp_path: Path) -> None:
    names = [b"%d" % (at * 7919 % 1000) for at in range(200)]
    archive = Archive.from_entries([directory(b""), *(file(name) for name in names)])
    with staging.staged(archive, tmp_path / "image") as tree:
        listed = [path.name.encode() for path in tree.iterdir()]
    assert listed == [entry.path for entry in archive][1:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("namespace")
def test_what_a_namespace_has_not_is_named(tmp_path: Path) -> None:
    with mounts.tmpfs(tmp_path), pytest.raises(DockyardError) as caught:
        unpack(nasty(), tmp_path)
    assert caught.value.problems[0].where == "/dev/far"
