"""What was cut short or damaged is refused, in every format; what is whole is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from image_parts import parts, tree
from test_formats import root_of
from test_roots_are_read import FILES

from dockyard.errors import DockyardError
from dockyard.formats import Holds, by_name, holding
from dockyard.host.sandbox import Tools
from dockyard.inspection.disks import open_disk
from dockyard.inspection.roots import open_root, root_file
from features import Proof, covers

pytestmark = pytest.mark.build

DISKS = (*holding(Holds.DISK), *holding(Holds.EXTENSION), "iso")
PACKED = ("pxe-tar", "tar-zst", "wsl")
TARS = ("tar", "oci-archive")
# Places in what is larger than that: of headers, tables and the first data.
HEADERS = {
    "vhd": (4, 80),
    "vhd-fixed": (512 + 16, 512 + 56),
    "vhdx": (4, 3 * 65536 + 4),
    "qcow2": (4, 46),
    "raw": (512 + 16, 512 + 56),
    "sysext": (512 + 16, 512 + 56),
    "confext": (512 + 16, 512 + 56),
    "cosi": (4, 520, 4608),
    "baremetal-image": (4, 520),
    "iso": (16 * 2048 + 158,),
}
# Whose copies of it are damaged, too: where, from the end.
COPIES = {
    "vhd": (512,),
    "vhd-fixed": (1024 - 16,),
    "raw": (512 - 16,),
    "sysext": (512 - 16,),
    "confext": (512 - 16,),
}


def written(name: str, folder: Path, tools: Tools) -> Path:
    root = root_of(name) if name in holding(Holds.EXTENSION) else tree(FILES)
    return by_name(name).write(parts(folder, root), folder, tools)[0]


def read(image: Path, tools: Tools) -> list[int]:
    """Where the partitions of an image end, where it has such. Raises DockyardError."""
    scratch = image.with_name("scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    found = root_file(image)
    if found is None:
        found_disk = open_disk(image, scratch, tools)
        return [each.entry.start + each.entry.size for each in found_disk.partitions]
    open_root(found, scratch, tools)
    return []


@covers(format="{name}", proofs=[Proof.READ_BACK, Proof.TRUNCATED])
@pytest.mark.parametrize("name", [*DISKS, *PACKED, *TARS])
def test_what_was_cut_short_is_refused(tools: Tools, tmp_path: Path, name: str) -> None:
    image = written(name, tmp_path, tools)
    ends = read(image, tools)
    assert len(ends) == (2 if name in DISKS else 0)
    whole = image.read_bytes()
    end = len(whole)
    # What fills the last mebibyte up holds nothing.
    if name in holding(Holds.EXTENSION):
        end = max(ends)
    elif name == "baremetal-image":
        end = len(whole[:-512].rstrip(b"\0"))
    for size in (end * 3 // 4, end // 2, 600 if end > 1200 else end // 3):
        image.write_bytes(whole[:size])
        with pytest.raises(DockyardError):
            read(image, tools)


@covers(format="{name}", proofs=[Proof.DAMAGED])
@pytest.mark.parametrize("name", [*HEADERS, *PACKED, *TARS])
def test_what_was_damaged_is_refused(tools: Tools, tmp_path: Path, name: str) -> None:
    image = written(name, tmp_path, tools)
    whole = image.read_bytes()
    for at in HEADERS.get(name, (len(whole) // 2, 3) if name in PACKED else (4, 148)):
        damaged = bytearray(whole)
        for place in (at, *(len(whole) - each for each in COPIES.get(name, ()))):
            damaged[place] ^= 0xFF
        image.write_bytes(damaged)
        with pytest.raises(DockyardError):
            read(image, tools)
