"""Partition type GUIDs by name and architecture.

Source: UAPI Discoverable Partitions Specification; BIOS boot and ESP: UEFI 2.10 and GRUB's manual.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from dockyard.model.architecture import Architecture
from dockyard.model.storage import PartitionType

# Attribute bits of a partition entry that the specification defines.
GROW_FILE_SYSTEM = 1 << 59
READ_ONLY = 1 << 60
NOT_BY_TYPE = 1 << 63  # it is not mounted by what its type says

_TYPES: Mapping[PartitionType, str] = {
    PartitionType.BIOS_GRUB: "21686148-6449-6e6f-744e-656564454649",
    PartitionType.ESP: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    PartitionType.HOME: "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
    PartitionType.LINUX_GENERIC: "0fc63daf-8483-4772-8e79-3d69d8477de4",
    PartitionType.SRV: "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
    PartitionType.SWAP: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
    PartitionType.TMP: "7ec6f557-3bc5-4aca-b293-16ef5df639d1",
    PartitionType.VAR: "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
    PartitionType.XBOOTLDR: "bc13c2ff-59e6-4262-a352-b275fd6f7172",
}
_BY_ARCHITECTURE: Mapping[Architecture, Mapping[PartitionType, str]] = {
    Architecture.X86_64: {
        PartitionType.ROOT: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        PartitionType.ROOT_VERITY: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
        PartitionType.USR: "8484680c-9521-48c6-9c11-b0720656f69e",
        PartitionType.USR_VERITY: "77ff5f63-e7b6-4633-acf4-1565b864c0e6",
    },
    Architecture.AARCH64: {
        PartitionType.ROOT: "b921b045-1df0-41c3-af44-4c6f280d3fae",
        PartitionType.ROOT_VERITY: "df3300ce-d69f-4c92-978c-9bfb0f38d820",
        PartitionType.USR: "b0e01050-ee5f-4390-949a-9101b17104e9",
        PartitionType.USR_VERITY: "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e",
    },
}

BIOS_GRUB = UUID(_TYPES[PartitionType.BIOS_GRUB])
ESP = UUID(_TYPES[PartitionType.ESP])
SWAP = UUID(_TYPES[PartitionType.SWAP])
XBOOTLDR = UUID(_TYPES[PartitionType.XBOOTLDR])

# Types for whose file systems the attribute bits have a meaning.
DISCOVERABLE = frozenset(
    UUID(guid)
    for guid in (
        *(guid for table in _BY_ARCHITECTURE.values() for guid in table.values()),
        *(
            _TYPES[name]
            for name in (
                *(PartitionType.HOME, PartitionType.SRV, PartitionType.VAR, PartitionType.TMP),
                PartitionType.LINUX_GENERIC,
                PartitionType.XBOOTLDR,
            )
        ),
    )
)


def type_guid(kind: PartitionType | str | None, architecture: Architecture) -> UUID:
    """The type GUID of a named type or of a GUID in text; None means linux-generic.

    Raises ValueError for a text that is no GUID.
    """
    if kind is None:
        kind = PartitionType.LINUX_GENERIC
    if kind not in tuple(PartitionType):  # `in PartitionType` takes a text from Python 3.12 on
        return UUID(kind)
    kind = PartitionType(kind)
    if kind in _TYPES:
        return UUID(_TYPES[kind])
    return UUID(_BY_ARCHITECTURE[architecture][kind])


def name_of(type_guid: UUID) -> str:
    """The name of a partition type, of whichever architecture; empty for an unknown one."""
    for table in (_TYPES, *_BY_ARCHITECTURE.values()):
        for name, guid in table.items():
            if UUID(guid) == type_guid:
                return name.value
    return ""
