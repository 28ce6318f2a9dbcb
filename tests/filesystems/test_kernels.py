"""A file system is made with what its image's kernel calls stable, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_image import SPEC

from dockyard.archive import Archive
from dockyard.errors import DockyardError
from dockyard.filesystems import by_name, kernels
from dockyard.host.sandbox import Tools
from nasty_archive import file, same

HARBOR = "6.12.107+deb13-cloud-amd64"
SIZES = {"ext4": 16, "xfs": 300, "btrfs": 128}


def small() -> Archive:
    return Archive.from_entries([file(b"a/b")])


def test_the_version_of_a_release() -> None:
    assert kernels.version(HARBOR) == (6, 12)
    assert kernels.version("5.4.0") == (5, 4)
    assert kernels.version(None) == kernels.version("strange") == kernels.UNKNOWN


def test_what_a_kernel_calls_experimental_is_off() -> None:
    found = kernels.stable(kernels.XFS, HARBOR)
    assert (found["nrext64"], found["exchange"], found["parent"]) == (True, False, False)
    assert kernels.stable(kernels.XFS, "6.18.1")["parent"]
    assert kernels.switches(kernels.XFS, "6.1.0", "-i") == "sparse=1,nrext64=0,exchange=0"


def test_what_an_old_grub_does_not_read_is_off_where_it_reads() -> None:
    newest = "9.0"
    assert all(kernels.stable(kernels.EXT4, newest).values())
    read = kernels.stable(kernels.EXT4, newest, grub=True)
    assert [name for name, on in read.items() if not on] == ["metadata_csum_seed"]
    read = kernels.stable(kernels.XFS, newest, grub=True)
    assert {name for name, on in read.items() if not on} == {
        *("nrext64", "exchange", "parent", "metadir")
    }


@pytest.mark.build
@pytest.mark.parametrize(
    ("name", "release", "has", "lacks"),
    [
        ("xfs", HARBOR, ["NREXT64", "RMAPBT"], ["EXCHANGE", "PARENT", "METADIR"]),
        ("xfs", "6.18.0", ["NREXT64", "EXCHANGE", "PARENT"], ["METADIR"]),
        ("xfs", "5.10.0", ["REFLINK"], ["BIGTIME", "INOBTCNT", "NREXT64", "RMAPBT"]),
        ("ext4", HARBOR, ["orphan_file", "metadata_csum_seed", "resize_inode", "64bit"], []),
        ("ext4", "5.10.0", ["metadata_csum_seed", "dir_index"], ["orphan_file"]),
        ("btrfs", HARBOR, ["BLOCK_GROUP_TREE", "FREE_SPACE_TREE"], []),
        ("btrfs", "6.1.0", ["FREE_SPACE_TREE", "NO_HOLES"], ["BLOCK_GROUP_TREE"]),
    ],
)
def test_the_features_of_an_image(
    tools: Tools,
    testing_tools: Tools,
    tmp_path: Path,
    name: str,
    release: str,
    has: list[str],
    lacks: list[str],
) -> None:
    image, filesystem = tmp_path / "image", by_name(name)
    given = testing_tools if filesystem.needs == "testing" else tools
    filesystem.write(small(), image, SIZES[name] << 20, replace(SPEC, kernel=release), given)
    same(filesystem.read(image, given, tmp_path), small())
    argv = {
        "ext4": ["dumpe2fs", "-h"],
        "xfs": ["xfs_db", "-r", "-c", "version"],
        "btrfs": ["btrfs", "inspect-internal", "dump-super"],
    }[name]
    told = given.run([*argv, str(image)], read=[image]).stdout.decode()
    assert [word for word in has if word not in told] == []
    assert [word for word in lacks if word in told] == []


@pytest.mark.build
def test_a_compression_that_the_kernel_cannot_read_is_refused(tools: Tools, tmp_path: Path) -> None:
    image, zstd = tmp_path / "image", {"compression": "zstd,level=3"}
    erofs = by_name("erofs")
    with pytest.raises(DockyardError) as caught:
        erofs.write(small(), image, 0, replace(SPEC, options=zstd, kernel="6.1.0"), tools)
    (problem,) = caught.value.problems
    assert (problem.code, problem.why) == (
        "filesystems.erofs-compression",
        "Linux 6.10 is the first that can",
    )
    erofs.write(small(), image, 0, replace(SPEC, options=zstd, kernel=HARBOR), tools)
    same(erofs.read(image, tools, tmp_path), small())
