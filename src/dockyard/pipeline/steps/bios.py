"""What a BIOS boots: GRUB in the BIOS boot partition; kernel, initrd and a menu in a root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockyard.disk import bios, efi, grub
from dockyard.disk.grub_reset import WrittenEntry, written_menu
from dockyard.disk.layout import size_text
from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.model.os_release import variables
from dockyard.pipeline.arguments.image import MakeBios, WriteMenu
from dockyard.pipeline.arguments.names import (
    COMMAND_LINE,
    FILESYSTEM,
    FIRST_CODE,
    INITRD,
    TOOLS,
)
from dockyard.pipeline.found import found_words
from dockyard.pipeline.layer import whole_files
from dockyard.pipeline.steps.boot import kernel_version, os_release
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_SECRET = 0o600  # an initrd may hold keys, as dracut's do


def make_bios(work: Work, wanted: MakeBios) -> None:
    """Fills `filesystem`, what the BIOS boot partition has, and `first-code`."""
    tools = trees_in(work.result(TOOLS)).main
    out = work.out / FILESYSTEM
    bios.write_image(out, wanted.place, wanted.menu, tools)
    image = bios.placed(out.read_bytes(), wanted.start)
    if len(image) > wanted.size:
        raise DockyardError(
            Problem(
                "disk.bios-too-small",
                f"GRUB needs {len(image)} bytes of the BIOS boot partition, which has "
                f"{size_text(wanted.size)}",
                wanted.position,
                fix="give it 1M",
            )
        )
    out.write_bytes(image)
    code = (tools.root / bios.CODE).read_bytes()
    (work.out / FIRST_CODE).write_bytes(bios.first_code(code, wanted.start))


def write_menu(work: Work, wanted: WriteMenu) -> None:
    """Fills `upper/`, the layer, and `cmdline` with the command line as it was found out."""
    command_line = found_words(work.result, wanted.command_line, wanted.found)
    (work.out / COMMAND_LINE).write_text(f"{command_line}\n")
    with whole_files(work, wanted.below, wanted.epoch) as tree, InRoot(tree) as inside:
        version = kernel_version(tree)
        release = variables(os_release(tree).decode(errors="replace"))
        kernel, initrd = grub.kernel_name(version), grub.initrd_name(version)
        menu = one_entry(wanted.place, release, version, command_line)
        _write(inside, wanted.menu, menu.encode())
        _write(inside, f"{grub.BOOT}/{kernel}", efi.kernel(tree, version))
        _write(
            inside, f"{grub.BOOT}/{initrd}", (work.result(INITRD) / INITRD).read_bytes(), _SECRET
        )


def title_of(release: Mapping[str, str]) -> str:
    """What a menu calls a system. release: the variables of os-release(5)."""
    return release.get("PRETTY_NAME") or release.get("ID", "Linux")


def one_entry(
    place: grub.BootPlace, release: Mapping[str, str], version: str, command_line: str
) -> str:
    """The text of a menu that starts the one kernel of an image."""
    entry = WrittenEntry(
        f"{title_of(release)}, with Linux {version}",
        f"{place.path}/{grub.kernel_name(version)}",
        f"{place.path}/{grub.initrd_name(version)}",
        command_line,
    )
    return written_menu([entry], place.filesystem, 0)


def _write(inside: InRoot, path: str, data: bytes, mode: int = 0o644) -> None:
    inside.make_directories(path.rpartition("/")[0])
    inside.write(path, data)
    inside.set_attributes(path, mode=mode, uid=0, gid=0)
