"""What is told of dm-verity: the tree of a file system, where a command line uses it."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.disk import gpt, verity
from dockyard.disk.verity import BLOCK, Superblock, inline_data_size
from dockyard.filesystems.image import Region
from dockyard.filesystems.probe import Content
from dockyard.formats.containers import Container, RawDisk
from dockyard.formats.system import MountedSystem, VerityOf
from dockyard.inspection.boot import Boot, BootEntry
from dockyard.inspection.described import loader_of, mounted_systems
from dockyard.inspection.disks import FoundDisk, FoundPartition

MIB = 1 << 20
KIND = UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")
ROOT = Content("ext4", "88d2fa9b-7a32-450a-a9f8-aa9c3de79298", module="ext4")


def checked_disk(place: Path, *, inline: bool) -> tuple[FoundDisk, str, int]:
    """A disk with data and their hash tree, its root hash, and the byte where the tree begins."""
    data, tree = place / "data", place / "tree"
    size = inline_data_size(4 * MIB) if inline else 4 * MIB
    data.write_bytes(random.Random(1).randbytes(size))
    root_hash = verity.write_tree(data, Superblock(UUID(int=5), size, bytes(range(32))), tree)
    disk = place / "disk"
    offset = size if inline else 0
    with disk.open("wb") as out:
        # The hashes lie before the data, as no number or order says.
        for at, content in (((5 if inline else 1) * MIB, tree), (5 * MIB, data)):
            out.seek(at + (offset if content == tree else 0))
            out.write(content.read_bytes())
        out.truncate(12 * MIB)
    found = [_partition(disk, 1, 5 * MIB, ROOT)]
    if not inline:
        found.append(_partition(disk, 2, MIB, Content("verity-hash")))
    table = gpt.Table(UUID(int=9), 12 * MIB, tuple(each.entry for each in found))
    raw = RawDisk(disk, 12 * MIB, Container.RAW)
    return FoundDisk(raw, table, tuple(found)), root_hash.hex(), offset


def _partition(disk: Path, number: int, start: int, content: Content) -> FoundPartition:
    entry = gpt.TableEntry(number, KIND, UUID(int=number), start, 4 * MIB)
    return FoundPartition(entry, Region(disk, start, 4 * MIB), content)


@pytest.mark.parametrize("inline", [False, True])
def test_the_tree_of_a_root_is_told_where_it_is_checked(tmp_path: Path, inline: bool) -> None:
    disk, root_hash, offset = checked_disk(tmp_path, inline=inline)
    lines = ["quiet", f'root=/dev/mapper/root "roothash={root_hash}" ro']
    (found,) = mounted_systems(disk, {1: "/"}, lines)
    told = VerityOf(root_hash, 1 if inline else 2, offset if inline else None)
    assert found == MountedSystem(1, "ext4", ROOT.uuid, "/", told)
    assert offset % BLOCK == 0
    (found,) = mounted_systems(disk, {1: "/usr"}, [f"usrhash={root_hash}"])
    assert found.verity == told
    for mount, line in (("/", ""), ("/", f"usrhash={root_hash}"), ("/", f"roothash={'0' * 64}"),
                        ("/srv", f"roothash={root_hash}")):  # fmt: skip
        (found,) = mounted_systems(disk, {1: mount}, [line])
        assert found.verity is None


@pytest.mark.parametrize(
    ("loaders", "kinds", "found"),
    [
        (("systemd-boot", "grub"), ("uki",), "systemd-boot"),
        (("shim", "grub"), ("bls",), "grub"),
        (("grub for BIOS",), ("grub",), "grub"),
        ((), ("grub",), "grub"),
        ((), ("uki",), "systemd-boot"),
        ((), (), ""),
    ],
)
def test_a_loader_is_known_by_its_entries_too(
    loaders: tuple[str, ...], kinds: tuple[str, ...], found: str
) -> None:
    entries = tuple(BootEntry(kind, "", "", "", "") for kind in kinds)
    assert loader_of(Boot(loaders, ("6.1",), entries)) == found
