"""qcow2: QEMU's own format, without compression. Written by qemu-img, which gives equal bytes."""

from __future__ import annotations

from pathlib import Path

from dockyard.disk.output import whole
from dockyard.host.sandbox import Tools


class Qcow2:
    name = "qcow2"
    extension = ".qcow2"

    def write(self, disk: Path, out: Path, tools: Tools, *, seed: bytes, epoch: int) -> None:
        with whole(out) as part:
            # The parts are converted in order (-m 1), so that clusters lie in the disk's order.
            argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "1"]
            part.touch()
            tools.run([*argv, str(disk), str(part)], read=[disk], write=[part])
