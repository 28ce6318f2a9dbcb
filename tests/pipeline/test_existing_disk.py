"""What was read of a disk is kept as JSON, and is the same again."""

from __future__ import annotations

import json

from dockyard.disk.boot_files import BootKind
from dockyard.engine.codec import decode, encode
from dockyard.formats.saved_medium import SavedMedium
from dockyard.model.architecture import Architecture
from dockyard.model.live import KdumpBootFiles
from dockyard.pipeline.existing_boot import ExistingBoot, ExistingUki
from dockyard.pipeline.existing_disk import (
    DiskFacts,
    ExistingMedium,
    ExistingPartition,
    ExistingSubvolume,
    ExistingVerity,
)
from dockyard.pipeline.existing_storage import ExistingStorage

GUID = "0f1a4c0b-0000-4000-8000-000000000001"
UKI = ExistingUki("/boot/efi/EFI/Linux/a.efi", "6.1", addons=True, is_signed=False, stub=257)
SUBVOLUME = ExistingSubvolume(256, "root", GUID, "/", True, False, None, 1 << 20, "00ff")
FACTS = DiskFacts(
    size=2 << 30,
    table=GUID,
    boot_code="eb63",
    partitions=(
        ExistingPartition(2, "root", GUID, GUID, 1 << 63, 1 << 20, 1 << 30, "btrfs", GUID, "", "",
                          (SUBVOLUME,), used=4096),
        ExistingPartition(1, "esp", GUID, GUID, 0, 0, 0, "vfat", "AB12-CD34", "", "/boot/efi"),
    ),
    epoch=5,
    architecture=Architecture.AARCH64,
    family="harbor",
    package_count=7,
    has_rpm=False,
    has_debs=True,
    boot=ExistingBoot(BootKind.UKIS, "", "/boot/efi", (UKI,), ("6.1",), ("root=x",)),
    verity=(ExistingVerity(1, 2, 3, "usr", GUID, "00", "ff"),),
    medium=ExistingMedium(("quiet",), SavedMedium(None, KdumpBootFiles.KEEP, (), ("a",)), (1, 2)),
    labelled=True,
    storage=ExistingStorage("# fstab", {"/": 1 << 30}, True),
)  # fmt: skip


def test_facts_are_kept_as_they_were_read() -> None:
    kept = json.loads(json.dumps(encode(FACTS)))
    assert decode(DiskFacts, kept) == FACTS
    assert decode(DiskFacts, kept).boot.boot_kind is BootKind.UKIS
    # It is asked for before anything is decoded.
    assert kept["has_rpm"] is False
