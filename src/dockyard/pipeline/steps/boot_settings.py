"""Readies what boots and holds no hash of the root: initrds in /boot, and the settings from which a
running machine makes menus and entries of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.boot_entries import fields_of
from dockyard.disk.boot_files import (
    INITRDS,
    KERNEL_COMMAND_LINE,
    KERNELS,
    MENUS,
    BootFiles,
    BootKind,
    boot_files,
)
from dockyard.disk.command_words import CommandLineChange, name_of, words_of
from dockyard.disk.grub_settings import changed_settings, names_in
from dockyard.host.in_root import InRoot
from dockyard.pipeline.arguments.boot import BootWork, PrepareBoot
from dockyard.pipeline.arguments.names import INITRD, KERNEL
from dockyard.pipeline.layer import whole_files
from dockyard.pipeline.steps.boot_tree import BootTree

if TYPE_CHECKING:
    from dockyard.engine.work import Work

# grub-mkconfig(8) finds these out itself.
_BY_GRUB = frozenset(("root", "ro", "rw", "rootflags"))
_BOOT = "/boot"


def prepare_boot(work: Work, wanted: PrepareBoot) -> None:
    """Fills `upper/`, the layer."""
    parts = work.result(wanted.parts) if wanted.parts else None
    with whole_files(work, wanted.below, wanted.epoch) as at, InRoot(at) as inside:
        tree = BootTree(at, inside)
        files = boot_files(tree)
        if wanted.change or wanted.fresh:
            _change_settings(tree, files, wanted)
        if wanted.work in (BootWork.UKIS, BootWork.FOLLOW):
            if files.kind is not BootKind.UKIS:
                _clear(tree, files)
        elif parts is not None:
            _place(tree, files, parts, wanted)


def _change_settings(tree: BootTree, files: BootFiles, wanted: PrepareBoot) -> None:
    """Have a later grub-mkconfig or kernel-install agree. What a step finds later is not known."""
    words = tuple(word for word in wanted.change.added if "{" not in word)
    if KERNEL_COMMAND_LINE in files.settings:
        old = () if wanted.fresh else words_of(tree.text(KERNEL_COMMAND_LINE))
        change = CommandLineChange(wanted.change.removed, words, wanted.change.ids)
        tree.replace(KERNEL_COMMAND_LINE, " ".join(change.applied(old)) + "\n")
    paths = [path for path in files.settings if path != KERNEL_COMMAND_LINE]
    if not paths:
        return
    texts = {path: tree.text(path) for path in paths}
    removed = names_in(texts) if wanted.fresh else wanted.change.removed
    own = tuple(word for word in words if name_of(word) not in _BY_GRUB)
    changed = changed_settings(texts, CommandLineChange(removed, own, wanted.change.ids))
    for path, text in changed.items():
        if text != texts[path]:
            tree.replace(path, text)


def _clear(tree: BootTree, files: BootFiles) -> None:
    """Take what UKIs replace out of /boot: nothing boots it any more, and it would grow old."""
    for version in files.kernels:
        for place in (*KERNELS, *INITRDS):
            if place.startswith(f"{_BOOT}/"):
                tree.remove(place.format(version))
    for name in tree.names(_BOOT):
        if name.startswith(("vmlinuz", "initramfs-", "initrd", "Image")):
            tree.remove(f"{_BOOT}/{name}")
    for folder in MENUS:
        tree.remove(folder)
    for path, text in files.entries:
        root = path.partition("/loader/")[0]
        fields = fields_of(text)
        for each in (fields.kernel, *fields.initrds) if root != _BOOT else ():
            tree.remove(f"{root}/{each.lstrip('/')}")
        tree.remove(path)


def _place(tree: BootTree, files: BootFiles, parts: Path, wanted: PrepareBoot) -> None:
    """Put what was made to where menus and entries look for it."""
    for part in sorted(each for each in parts.iterdir() if each.is_dir()):
        initrd = part / INITRD
        if initrd.exists():
            tree.replace(initrd_place(tree, part.name, wanted.initrd), initrd)
        kernel = part / KERNEL
        by_grub = wanted.work is BootWork.BIOS or (files.kind is not None and files.kind.by_grub)
        if by_grub and kernel.exists():
            tree.replace(f"{_BOOT}/vmlinuz-{part.name}", kernel)


def initrd_place(tree: BootTree, version: str, usual: str) -> str:
    """Where the initrd of a kernel is in /boot, or is to be. usual: where the family has it."""
    places = [place.format(version) for place in INITRDS]
    found = next((place for place in places if tree.is_there(place)), None)
    return found or usual.format(version)
