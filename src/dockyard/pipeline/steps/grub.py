"""Puts into a root what GRUB boots it by: its programs, menu and modules, kernel, initrd, entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dockyard.disk import efi, grub
from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.model.os_release import variables
from dockyard.pipeline.arguments.image import WriteGrub
from dockyard.pipeline.arguments.names import COMMAND_LINE, INITRD
from dockyard.pipeline.found import found_words
from dockyard.pipeline.layer import whole_files
from dockyard.pipeline.steps.bios import one_entry, title_of
from dockyard.pipeline.steps.boot import kernel_version, os_release

if TYPE_CHECKING:
    from dockyard.engine.work import Work

_SECRET = 0o600  # an initrd may hold keys, as dracut's do


def write_grub(work: Work, wanted: WriteGrub) -> None:
    """Fills `upper/`, the layer, and `cmdline` with the command line as it was found out."""
    command_line = found_words(work.result, wanted.command_line, wanted.found)
    (work.out / COMMAND_LINE).write_text(f"{command_line}\n")
    with whole_files(work, wanted.below, wanted.epoch) as tree, InRoot(tree) as inside:
        version = kernel_version(tree)
        release = variables(os_release(tree).decode(errors="replace"))
        content = {
            f"{grub.BOOT}/{grub.kernel_name(version)}": efi.kernel(tree, version),
            **_program_files(inside, wanted),
            **(_menu if wanted.written else _entry)(inside, wanted, release, version, command_line),
        }
        for path, data in content.items():
            _write(inside, path, data)
        initrd = (work.result(INITRD) / INITRD).read_bytes()
        _write(inside, f"{grub.BOOT}/{grub.initrd_name(version)}", initrd, _SECRET)


def _menu(
    inside: InRoot, wanted: WriteGrub, release: Mapping[str, str], version: str, command_line: str
) -> dict[str, bytes]:
    """The menu, with the kernel in it."""
    return {wanted.menu: one_entry(wanted.place, release, version, command_line).encode()}


def _entry(
    inside: InRoot, wanted: WriteGrub, release: Mapping[str, str], version: str, command_line: str
) -> dict[str, bytes]:
    """The entry of the kernel, the menu that finds it, and the modules that this one loads."""
    system = release.get("ID", "linux")
    entry = grub.entry_text(wanted.place, title_of(release), version, command_line)
    loader = wanted.grub
    beside, platform = wanted.menu.rpartition("/")[0], loader.modules.rpartition("/")[2]
    return {
        f"{grub.ENTRIES}/{grub.entry_name(system, version)}": entry.encode(),
        wanted.menu: grub.menu_text(wanted.place, loader.loaded).encode(),
        **{
            f"{beside}/{platform}/{name}.mod": _taken(
                inside, f"{loader.modules}/{name}.mod", wanted
            )
            for name in loader.loaded
        },
    }


def _program_files(inside: InRoot, wanted: WriteGrub) -> dict[str, bytes]:
    """GRUB itself: programs and first settings on the EFI system partition."""
    loader = wanted.grub
    first = grub.first_settings(wanted.place, wanted.menu)
    found = {
        f"{wanted.esp}/{place}": _taken(inside, file, wanted) for place, file in loader.programs
    }
    found[f"{wanted.esp}/{loader.settings}"] = first.encode()
    return found


def _taken(inside: InRoot, path: str, wanted: WriteGrub) -> bytes:
    try:
        return inside.read(path)
    except FileNotFoundError as error:
        raise DockyardError(
            Problem(
                code="disk.no-boot-loader",
                what=f"the image has no {path}",
                fix=f"install the packages of GRUB: {', '.join(wanted.grub.packages)}",
            )
        ) from error


def _write(inside: InRoot, path: str, data: bytes, mode: int = 0o644) -> None:
    inside.make_directories(path.rpartition("/")[0])
    inside.write(path, data)
    inside.set_attributes(path, mode=mode, uid=0, gid=0)
