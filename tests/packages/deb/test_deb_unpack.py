"""A tree of tools: whole, merged, harmless, and the same in whatever order threads run."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from debian_archive import Member, deb, directory, symlink
from dockyard.errors import DockyardError
from dockyard.packages.deb.unpack import unpack


def package(tmp_path: Path, name: str, members: Sequence[Member]) -> Path:
    path = tmp_path / f"{name}.deb"
    path.write_bytes(deb({"Package": name, "Version": "1", "Architecture": "all"}, members))
    return path


def test_packages_share_a_merged_tree(tmp_path: Path) -> None:
    one = package(
        tmp_path,
        "one",
        [
            directory("./usr/bin/"),
            Member("./usr/bin/su", b"su", mode=0o4755),
            Member("./usr/bin/hard", kind=tarfile.LNKTYPE, target="./usr/bin/su"),
            symlink("./bin", "usr/bin"),
            Member("./secret", b"s", mode=0o600),
        ],
    )
    two = package(tmp_path, "two", [directory("./lib/"), Member("./lib/x.so", b"x")])
    unpack([one, two], tmp_path / "tree")

    tree = tmp_path / "tree"
    assert (tree / "lib/x.so").read_bytes() == b"x"
    assert (tree / "usr/lib/x.so").is_file()
    assert str((tree / "bin").readlink()) == "usr/bin"
    su = (tree / "usr/bin/su").stat()
    assert (su.st_mode & 0o7777, su.st_nlink, int(su.st_mtime)) == (0o755, 2, 1_700_000_000)
    assert (tree / "secret").stat().st_mode & 0o7777 == 0o644
    assert (tree / "usr").stat().st_mode & 0o7777 == 0o755


def test_what_is_dropped_goes_with_all_below(tmp_path: Path) -> None:
    members = [
        directory("./usr/share/doc/"),
        Member("./usr/share/doc/x/copyright"),
        Member("./usr/share/documents"),
        Member("./usr/share/icons/a.svg"),
    ]
    unpack([package(tmp_path, "p", members)], tmp_path / "tree", drop=["usr/share/doc", "*.svg"])
    left = [path.name for path in (tmp_path / "tree/usr/share").iterdir()]
    assert left == ["documents"]


@pytest.mark.parametrize(
    "members",
    [
        [symlink("./usr/out", "OUTSIDE"), Member("./usr/out/evil", b"")],
        [symlink("./usr/up", "../.."), Member("./usr/up/evil", b"")],
        [Member("./usr/f", b"1"), Member("./usr/f", b"2")],
        [symlink("./usr/f", "/etc/passwd"), Member("./usr/f", b"2")],
    ],
)
def test_nothing_is_written_through_a_link_or_over_a_file(
    tmp_path: Path, members: list[Member]
) -> None:
    (tmp_path / "outside").mkdir()
    outside = str(tmp_path / "outside")
    members = [replace(item, target=item.target.replace("OUTSIDE", outside)) for item in members]
    with pytest.raises(DockyardError) as caught:
        unpack([package(tmp_path, "evil", members)], tmp_path / "tree")
    assert caught.value.problems[0].code == "deb.same-path"
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "members",
    [
        [symlink("./usr/out", "OUTSIDE"),
         Member("./usr/evil", kind=tarfile.LNKTYPE, target="./usr/out/secret")],
        [Member("./usr/evil", kind=tarfile.LNKTYPE, target="./usr/not-there")],
        [symlink("./usr/evil", "")],
        [Member("./usr/" + "n" * 256)],
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_the_mistake_of_the_package(
    tmp_path: Path, members: list[Member]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    members = [
        replace(each, target=each.target.replace("OUTSIDE", str(outside))) for each in members
    ]
    with pytest.raises(DockyardError) as caught:
        unpack([package(tmp_path, "evil", members)], tmp_path / "tree")
    (problem,) = caught.value.problems
    assert problem.code == "deb.malformed" and "evil.deb brings what cannot be made" in problem.what
    assert (outside / "secret").stat().st_nlink == 1


def test_the_same_link_in_two_packages_is_no_quarrel(tmp_path: Path) -> None:
    members = [symlink("./usr/a", "b")]
    paths = [package(tmp_path, name, members) for name in ("one", "two")]
    unpack(paths, tmp_path / "tree")
    assert (tmp_path / "tree/usr/a").is_symlink()


def test_a_damaged_package_ends_it(tmp_path: Path) -> None:
    bad = tmp_path / "bad.deb"
    bad.write_bytes(b"no")
    with pytest.raises(DockyardError, match="not a whole"):
        unpack([bad, package(tmp_path, "good", [])], tmp_path / "tree")
