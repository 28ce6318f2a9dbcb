"""baremetal-image: a COSI file that is also a fixed VHD, whose disk is the file itself.

The COSI file, with the strongest compression and the longest window, is filled up to whole
mebibytes and followed by the footer of a fixed VHD: what deploys VHDs carries it as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.identity import derive
from dockyard.disk.output import whole
from dockyard.formats.cosi import Cosi
from dockyard.formats.disk_format import Wrapping, aligned
from dockyard.formats.vhd_fixed import ALIGNMENT, footer

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class BaremetalImage(Cosi):
    name = "baremetal-image"
    extension = ".vhd"
    level = 22
    window_log = 31

    def wrap(self, disk: Path, size: int, image: Path, given: Wrapping, tools: Tools) -> None:
        with whole(image) as part, part.open("xb") as out:
            self.put(disk, size, out, given, tools)
            end = aligned(out.tell(), ALIGNMENT)
            out.seek(end)
            out.write(footer(end, derive(given.seed, "vhd").bytes, given.epoch))
