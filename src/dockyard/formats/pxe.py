"""pxe-dir, pxe-tar: what a network boot server serves, as a directory or as one tar.gz.

The names are those of Image Customizer: `bootx64.efi` or `bootaa64.efi` is what UEFI loads (by TFTP
or HTTP), `pxegrub.0` what a BIOS loads where there is one, `boot/grub/grub.cfg` their menu,
`vmlinuz` and `initrd.img` what that starts. With a bootstrap initrd the ISO is there as well, which
the initrd fetches by its URL.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.archive import streamed
from dockyard.disk import grub_images
from dockyard.disk.output import whole
from dockyard.formats import live
from dockyard.formats.folder import archive_of
from dockyard.formats.iso import write_iso
from dockyard.formats.parts import AnyFormat, Part, Parts
from dockyard.host import files, removal

if TYPE_CHECKING:
    from dockyard.host.sandbox import Tools

_KERNEL, _INITRD = "vmlinuz", "initrd.img"
_BIOS = "pxegrub.0"


class PxeDir(AnyFormat):
    name = "pxe-dir"
    extension = ""
    needs = frozenset((Part.KERNEL, Part.INITRD, Part.LIVE))
    runs_programs = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        image = out / parts.name
        lay_out(parts, image, tools)
        return (image,)


class PxeTar(AnyFormat):
    name = "pxe-tar"
    extension = ".tar.gz"
    needs = PxeDir.needs
    runs_programs = True

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        image, folder = out / f"{parts.name}{self.extension}", out / f".{parts.name}.files"
        lay_out(parts, folder, tools)
        try:
            with (
                whole(image) as part,
                part.open("wb") as file,
                streamed(archive_of(folder, parts.epoch), portable=True) as stream,
            ):
                tools.run(["gzip", "--no-name", "--stdout"], stdin=stream, stdout=file)
        finally:
            removal.remove_tree(folder)
        return (image,)


def lay_out(parts: Parts, folder: Path, tools: Tools) -> None:
    """Make the directory. Inside the namespace."""
    told = live.live_of(parts)
    assert parts.kernel is not None and parts.initrd is not None
    (folder / grub_images.FOLDER).mkdir(parents=True)
    loaders = {
        parts.architecture.names.served_loader: grub_images.for_uefi(
            parts.architecture, network=True
        ),
        _BIOS: grub_images.for_bios(parts.architecture, network=True),
    }
    for name, platform in loaders.items():
        if platform:
            grub_images.make_grub(folder / name, platform, "", tools)
    menu = grub_images.menu(told.title, f"/{_KERNEL}", f"/{_INITRD}", told.network_words)
    (folder / grub_images.MENU).write_text(menu)
    for name, path in {_KERNEL: parts.kernel, _INITRD: parts.initrd, **told.files}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        files.copy_sparse(path, place)
    if told.root:
        write_iso(parts, folder / told.fetched_name, tools)
