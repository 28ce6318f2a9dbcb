"""qcow2: QEMU's own format, without compression. Written by qemu-img, which gives equal bytes."""

from __future__ import annotations

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
        file = str(disk).replace(",", ",,")  # where qemu-img ends a value
        source = f"driver=raw,offset=0,size={size},file.driver=file,file.filename={file}"
        if size % 512:
            source = f"driver=raw,file.driver=file,file.filename={file}"
        with whole(image) as part:
            # Converted in order (-m 1), so that clusters lie in the disk's order.
            argv = ["qemu-img", "convert", "--image-opts", "-O", "qcow2", "-m", "1"]
            part.touch()
            tools.run([*argv, source, str(part)], read=[disk], write=[part])
