"""The metadata of a COSI file, revision 1.2: what is on the disk, and which parts have it.

Composable OS Image Specification, in the form that Image Customizer writes and Trident reads:
`lbaSize`, `gptRegions` and `maxWindowLog` where the text of the specification has other names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from dockyard.disk import gpt
from dockyard.formats.system import MountedSystem, System
from dockyard.model.architecture import Architecture

VERSION = "1.2"
MARKER = "cosi-marker"
METADATA = "metadata.json"
IMAGES = "images/"
PRIMARY, PARTITION = "primary-gpt", "partition"
ARCHITECTURES = {Architecture.X86_64: "x86_64", Architecture.AARCH64: "arm64"}

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | None"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A region of the disk in the file. size: bytes of the region. stored: of what is in the file,
    whose digest is sha384. number: of the partition; None for the table.
    """

    path: str
    size: int
    stored: int
    sha384: str
    number: int | None = None

    @property
    def json(self) -> Json:
        return {
            "path": self.path,
            "compressedSize": self.stored,
            "uncompressedSize": self.size,
            "sha384": self.sha384,
        }


def is_cosi(head: bytes) -> bool:
    """Whether a file that begins so is a COSI file of any revision."""
    name = head[:100].partition(b"\0")[0].removeprefix(b"./")
    return head[257:262] == b"ustar" and name in (MARKER.encode(), METADATA.encode())


def metadata(
    table: gpt.Table,
    stored: Sequence[StoredImage],
    system: System,
    identity: UUID,
    window_log: int,
) -> bytes:
    """The text of `metadata.json`. stored: the regions in the order of the disk."""
    assert system.architecture is not None
    by_number = {each.number: each for each in stored}
    types = {entry.number: str(entry.type_guid) for entry in table.entries}
    told: Json = {
        "version": VERSION,
        "osArch": ARCHITECTURES[system.architecture],
        "disk": {
            "size": table.size,
            "type": "gpt",
            "lbaSize": gpt.SECTOR,
            "gptRegions": [_region(each) for each in stored],
        },
        "images": [_file_system(each, by_number, types) for each in system.mounted],
        "osRelease": system.release,
        "id": str(identity),
        "bootloader": _loader(system),
        "osPackages": [
            {
                "name": each.name,
                "version": each.version,
                "release": each.release,
                "arch": each.architecture,
            }
            for each in system.packages
        ],
        "compression": {"maxWindowLog": window_log},
    }
    return (json.dumps(told, indent=2, ensure_ascii=True) + "\n").encode()


def _region(each: StoredImage) -> Json:
    if each.number is None:
        return {"image": each.json, "type": PRIMARY}
    return {"image": each.json, "type": PARTITION, "number": each.number}


def _file_system(
    each: MountedSystem, stored: Mapping[int | None, StoredImage], types: Mapping[int, str]
) -> Json:
    verity: Json = None
    if each.verity is not None:
        verity = {"image": stored[each.verity.hashes].json, "roothash": each.verity.root_hash}
        if each.verity.offset is not None:
            verity["hashOffset"] = each.verity.offset
    return {
        "image": stored[each.number].json,
        "mountPoint": each.mount,
        "fsType": each.kind,
        "fsUuid": each.uuid,
        "partType": types[each.number],
        "verity": verity,
    }


def _loader(system: System) -> Json:
    if system.loader != "systemd-boot":
        return {"type": system.loader}
    entries: list[Json] = [
        {
            "type": str(each.kind),
            "path": each.path,
            "cmdline": each.command_line,
            "kernel": each.kernel,
        }
        for each in system.entries
    ]
    return {"type": system.loader, "systemdBoot": {"entries": entries}}
