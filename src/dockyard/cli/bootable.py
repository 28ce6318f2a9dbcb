"""What a verb boots: the built image of an image file, or a disk, with the tools to run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli.sought import YAML
from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.cli.artefacts import Artefact
    from dockyard.errors import Problem
    from dockyard.host.sandbox import Tools
    from dockyard.model.packages import Pin
    from dockyard.pipeline.guest_access import Access
    from dockyard.tree.check import Question
    from dockyard.vm.qemu import Disk

TIMEOUT = 300


@dataclass(frozen=True, slots=True)
class Bootable:
    """A disk to boot, what to ask it, the tools to run it with, its name, whether its file says
    that a BIOS starts it, and for which architecture it is, as far as that is known.
    """

    disk: Disk
    questions: Sequence[Question]
    tools: Sequence[Pin]
    name: str
    bios: bool
    architecture: Architecture = Architecture.X86_64


def bootable(
    image: Path,
    config: Path | None,
    store: Path,
    look: Callable[..., Artefact],
    check: bool = False,
) -> Bootable:
    """The disk of an image file's built image, or of a disk image, which may be held against an
    image file. look: finds what an image file made. check: whether questions are wanted.
    """
    from dockyard.formats.containers import container_of
    from dockyard.vm.qemu import Disk, check_format, detect_format, served_to

    if image.suffix in YAML:
        found = look(image, store, check=check, fits=lambda form: check_format(Disk(image, form)))
        disk = Disk(found.write(scratch_for(store, found.name)), found.format)
        return Bootable(
            disk, found.questions, found.tools, found.name, found.bios, found.architecture
        )
    if image.is_file():
        container_of(image)  # refuses what is no disk, or names files that are to be opened, too
    disk = Disk(image.absolute(), detect_format(image))
    if config is None:
        return Bootable(disk, (), (), image.stem, False, served_to(image))
    found = look(config, store, built=False, written=disk.format)
    return Bootable(disk, found.questions, found.tools, image.stem, found.bios, found.architecture)


def console_log(store: Path, name: str) -> Path:
    """Where the console of an image's last boot is kept."""
    return beside_consoles(store) / f"{name}.console"


def beside_consoles(store: Path) -> Path:
    """The directory of what boots leave, and need."""
    place = store.absolute() / "vm"
    place.mkdir(parents=True, exist_ok=True)
    return place


def scratch_for(store: Path, name: str) -> Path:
    """An empty directory for an image, which is removed when the command ends."""
    from dockyard.host import files, removal

    place = beside_consoles(store) / name
    files.remove_parts(place)  # of boots that were killed
    scratch = files.part_of(place)
    scratch.mkdir()
    click.get_current_context().call_on_close(lambda: removal.remove_tree(scratch))
    return scratch


def tools_of(store: Path, pins: Sequence[Pin], target: Architecture) -> Tools:
    """The tools of these pins, where they are for images of an architecture, or of the lock in use
    for it.
    """
    from dockyard.host import namespace
    from dockyard.tools.declared import target_of
    from dockyard.tools.trees import load_tools_lock, tools_ready, tools_tree

    if not pins or target_of(pins) is not target:
        pins = load_tools_lock(target=target).packages
    if not tools_ready(store, pins):
        namespace.enter()
    return tools_tree(store, pins).main


def require_access(disk: Disk, store: Path, access: Access) -> None:
    """Raise DockyardError where it is known of a disk that nobody can come in as it is wanted."""
    from tempfile import TemporaryDirectory

    from dockyard.errors import DockyardError
    from dockyard.host.apart import apart
    from dockyard.pipeline.guest_access import disk_problems
    from dockyard.tools.trees import enter_tools

    def judged(name: str) -> list[Problem]:
        trees = enter_tools(store)
        return disk_problems(disk.path, access, Path(name), trees)

    if not disk.path.is_file():
        return
    with TemporaryDirectory(prefix="dockyard-boot-") as name:
        if problems := apart(lambda: judged(name)):
            raise DockyardError(*problems)
