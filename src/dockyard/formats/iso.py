"""iso: a live system on a medium: a CD or DVD, and the same bytes on a USB stick.

ISO 9660 with Rock Ridge, written by xorriso(1). It boots by UEFI, and where there is one by BIOS:
by El Torito from a CD, and from a stick by the partition table (GPT, with the file system for UEFI
as a partition) and the code for a BIOS in its first sector. All times are those of the image.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.grub_images import HYBRID
from dockyard.disk.output import whole
from dockyard.formats import live
from dockyard.formats.parts import AnyFormat, Part, Parts
from dockyard.host import removal

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools


class Iso(AnyFormat):
    name = "iso"
    extension = ".iso"
    needs = frozenset((Part.KERNEL, Part.INITRD, Part.LIVE))
    runs_programs = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        image = out / f"{parts.name}{self.extension}"
        write_iso(parts, image, tools)
        return (image,)


def write_iso(parts: Parts, image: Path, tools: Tools) -> None:
    """Write the medium of a live image to a new file. Inside the namespace."""
    work = image.with_name(f".{image.name}.medium")
    work.mkdir()
    try:
        files = live.lay_out(parts, work, tools)
        grafts = work / "grafts"
        grafts.write_text("".join(_graft(at, path) for at, path in sorted(files.items())))
        with whole(image) as part:
            part.touch()
            tools.run(
                _command(parts, grafts, part),
                read=[*files.values(), grafts],
                write=[part],
                env={"SOURCE_DATE_EPOCH": str(parts.epoch)},
            )
    finally:
        removal.remove_tree(work)


def _command(parts: Parts, grafts: Path, out: Path) -> list[str]:
    label = live.live_of(parts).label
    moment = datetime.fromtimestamp(parts.epoch, UTC)
    boots = live.boots(parts.architecture)
    by_bios: list[str] = []
    if boots.bios:
        by_bios += ["-b", boots.bios, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
        by_bios += ["--grub2-boot-info", "--grub2-mbr", f"/{HYBRID}"]
    return [
        *("xorriso", "-as", "mkisofs", "-quiet", "-graft-points", "-iso-level", "3", "-r"),
        *("-volid", label, "-volset", label, "-appid", parts.name[:128].upper()),
        f"--modification-date={moment:%Y%m%d%H%M%S}00",
        *("--set_all_file_dates", f"={parts.epoch}"),
        *(*by_bios, "--protective-msdos-label"),
        *("--efi-boot", boots.uefi, "-efi-boot-part", "--efi-boot-image"),
        *("-path-list", str(grafts), "-o", str(out)),
    ]


def _graft(at: str, path: Path) -> str:
    """A line of mkisofs's list: `=` and backslashes of names are escaped."""
    return f"{_escaped(at)}={_escaped(str(path))}\n"


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("=", "\\=")
