"""qcow2: QEMU's own format, without compression. Written by qemu-img, which gives equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.assemble import assemble
from dockyard.disk.output import whole
from dockyard.formats.parts import Part, Parts

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class Qcow2:
    name = "qcow2"
    extension = ".qcow2"
    needs = frozenset((Part.DISK,))
    runs_programs = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        assert parts.layout is not None
        image = out / f"{parts.name}{self.extension}"
        disk = image.with_name(f".{image.name}.disk")
        try:
            assemble(parts.layout, parts.partitions, disk)
            with whole(image) as part:
                # Converted in order (-m 1), so that clusters lie in the disk's order.
                argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "1"]
                part.touch()
                tools.run([*argv, str(disk), str(part)], read=[disk], write=[part])
        finally:
            disk.unlink(missing_ok=True)
        return (image,)
