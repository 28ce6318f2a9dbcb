"""qcow2: QEMU's own format, without compression. Written by qemu-img, which gives equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.output import whole
from dockyard.formats.disk_format import DiskFormat, Wrapping

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class Qcow2(DiskFormat):
    name = "qcow2"
    extension = ".qcow2"
    runs_programs = True

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        with whole(image) as part:
            convert(disk, size, part, ("-O", "qcow2"), tools)


def convert(disk: Path, size: int, out: Path, how: Sequence[str], tools: Tools) -> None:
    """Have qemu-img write the first `size` bytes of a raw disk to a new file. how: its options for
    the format.
    """
    file = str(disk).replace(",", ",,")  # where qemu-img ends a value
    source = f"driver=raw,offset=0,size={size},file.driver=file,file.filename={file}"
    if size % 512:
        source = f"driver=raw,file.driver=file,file.filename={file}"
    # Converted in order (-m 1), so that the pieces lie in the disk's order.
    argv = ["qemu-img", "convert", "--image-opts", *how, "-m", "1"]
    out.touch()
    tools.run([*argv, source, str(out)], read=[disk], write=[out])
