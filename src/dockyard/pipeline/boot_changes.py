"""What is to change about how an existing image boots: judged and decided before any work.

Whoever wants words on the kernel command line adds a function to `_WORDS`: what it gives is applied
to every entry of the image, whatever its kind of boot. Later ones win; the user's own words are
last. A word may hold `{NAME}`, for what a step finds (`Sealed.found`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dockyard.config import LoadedImage
from dockyard.disk.boot_files import BootKind
from dockyard.disk.command_words import (
    NO_CHANGE,
    CommandLineChange,
    name_of,
    replacing,
    words_of,
)
from dockyard.disk.grub import BootPlace, boot_place
from dockyard.disk.kernel_cmdline import (
    ROOT_HASHES,
    kernel_command_line,
    root_hash_name,
    verity_names,
    verity_words,
)
from dockyard.disk.layout import DiskLayout
from dockyard.errors import Problems
from dockyard.initrd.options import InitrdFeature
from dockyard.model.os import UkiMode
from dockyard.model.storage import BootType
from dockyard.pipeline.arguments.boot import BootWork, InitrdWish
from dockyard.pipeline.boot_problems import boot_problems
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.new_ids import id_changes
from dockyard.pipeline.package_changes import changes_packages
from dockyard.pipeline.sealing import early_mounts
from dockyard.tree.selinux import MODE_WORDS, command_words

_ROOT_WORDS = ("root", "ro", "rw", "rootflags", "rootfstype")
SELINUX_WORDS = ("security", "selinux", "enforcing")
_VERITY_WORDS = (
    *(name for device in ROOT_HASHES for name in verity_names(device)),
    "pre.verity.mount",  # of Image Customizer's initrds: where signatures are
)


@dataclass(frozen=True, slots=True)
class BootChanges:
    """work: what is done. change: of every command line. initrd: the one to be made. fresh: whether
    command lines start anew, without what the image had. new_kernels: whether packages change.
    place: where GRUB finds /boot.
    """

    work: BootWork
    change: CommandLineChange
    initrd: InitrdWish
    fresh: bool
    new_kernels: bool
    place: BootPlace

    @property
    def makes_parts(self) -> bool:
        """Whether kernels and initrds are taken or made for it."""
        if self.work in (BootWork.UKIS, BootWork.FOLLOW, BootWork.RESET, BootWork.BIOS):
            return True
        return self.initrd.always or (self.work is BootWork.EDIT and self.new_kernels)


def boot_changes(loaded: LoadedImage, source: DiskSource, layout: DiskLayout) -> BootChanges:
    """Decide what is done. layout: of the image that is made. Raises DockyardError with all that
    cannot be.
    """
    os = loaded.image.os
    fresh = os.bootloader.reset_type is not None
    change = wanted_words(loaded, source, layout, fresh=fresh)
    initrd = _initrd(loaded, layout, source)
    mode = os.uki.mode if os.uki else None
    kind = source.boot.boot_kind
    problems = Problems()
    problems.extend(boot_problems(loaded, source, _asked(loaded, change, initrd)))
    problems.raise_any()
    work = _work(loaded, kind, mode, change, initrd)
    return BootChanges(
        work=work,
        change=change,
        initrd=initrd,
        fresh=fresh,
        new_kernels=changes_packages(loaded),
        place=boot_place(layout),
    )


def _work(
    loaded: LoadedImage,
    kind: BootKind | None,
    mode: UkiMode | None,
    change: CommandLineChange,
    initrd: InitrdWish,
) -> BootWork:
    reset = loaded.image.os.bootloader.reset_type is not None
    if kind is None:
        return BootWork.NOTHING
    if loaded.image.storage.boot_type is BootType.LEGACY:
        return BootWork.BIOS
    if mode is UkiMode.CREATE:
        return BootWork.UKIS
    if kind is BootKind.UKIS:
        if mode is UkiMode.MODIFY and change:
            return BootWork.ADDONS
        if mode is not None:
            return BootWork.GUARD if changes_packages(loaded) else BootWork.NOTHING
        if change or initrd.always or reset:
            return BootWork.UKIS
        return BootWork.FOLLOW if changes_packages(loaded) else BootWork.NOTHING
    if reset:
        return BootWork.RESET
    return BootWork.EDIT if change or changes_packages(loaded) else BootWork.NOTHING


# ------------------------------------------------------------------------------ command line


def wanted_words(
    loaded: LoadedImage, source: DiskSource, layout: DiskLayout, *, fresh: bool
) -> CommandLineChange:
    """What changes about every command line. fresh: whether it starts without what the image had:
    then it says where the root is.
    """
    change = ids_changed(loaded, source, layout)
    if fresh and loaded.image.os.selinux.mode is None:
        change += _selinux_of(source)
    if layout.partitions and (fresh or loaded.image.storage.disks):
        own = words_of(kernel_command_line(layout))
        change += replacing((*_ROOT_WORDS, *_VERITY_WORDS), own)
    else:
        change += _sealed_words(layout)
    for words in _WORDS:
        change += words(loaded, source)
    return change


def _selinux_of(source: DiskSource) -> CommandLineChange:
    """What the image says of SELinux: making its boot loader anew does not switch that."""
    words = words_of(next(iter(source.boot.command_lines), ""))
    return CommandLineChange(added=tuple(w for w in words if name_of(w) in SELINUX_WORDS))


def _sealed_words(layout: DiskLayout) -> CommandLineChange:
    """What devices say that are new, and the new root hash of those that the image had."""
    change = NO_CHANGE
    for data, device in layout.verity:
        words = verity_words(layout, data, device)
        if data.kept:
            continue
        if device.existed:
            change += replacing((root_hash_name(device),), words[:1])
            continue
        change += replacing(verity_names(device.name), words)
        if device.name == "root":
            change += replacing(("root", "ro", "rw"), ("root=/dev/mapper/root", "ro"))
    return change


def ids_changed(loaded: LoadedImage, source: DiskSource, layout: DiskLayout) -> CommandLineChange:
    """The ids of partitions and file systems that are others in the new layout: of the same ones,
    or by their mounts where the disk is laid out anew.
    """
    ids: list[tuple[str, str]] = []
    if not loaded.image.storage.disks:
        return CommandLineChange(ids=id_changes(source, layout))
    for at, old in source.mounts.items():
        new = layout.mounted_at(at)
        if new is None or new.filesystem is None:
            continue
        ids.append((old.guid, str(new.guid)))
        ids.append((old.uuid, new.filesystem.uuid_text))
    return CommandLineChange(
        ids=tuple((old, new) for old, new in ids if old and old.lower() != new.lower())
    )


def _extra(loaded: LoadedImage, source: DiskSource) -> CommandLineChange:
    given = loaded.image.os.kernel_command_line.extra_command_line
    return CommandLineChange(added=tuple(word for text in given for word in words_of(text)))


def _selinux(loaded: LoadedImage, source: DiskSource) -> CommandLineChange:
    mode = loaded.image.os.selinux.mode
    return replacing(MODE_WORDS, command_words(mode)) if mode else NO_CHANGE


_WORDS: tuple[Callable[[LoadedImage, DiskSource], CommandLineChange], ...] = (_selinux, _extra)


# ------------------------------------------------------------------------------ initrd


def _initrd(loaded: LoadedImage, layout: DiskLayout, source: DiskSource) -> InitrdWish:
    image = loaded.image
    asked = "os.initrd" in loaded.positions
    early = any(overlay.is_initrd_overlay for overlay in image.os.overlays)
    laid_out = bool(image.storage.disks or image.storage.verity)
    chosen = image.os.initrd
    return InitrdWish(
        always=asked or early or laid_out,
        builder=str(chosen.builder) if "os.initrd.builder" in loaded.positions else "",
        filesystems=layout.initrd_filesystems,
        modules=(*chosen.modules, *(["overlay"] if early else [])),
        features=(InitrdFeature.VERITY,) if layout.verity else (),
        mounts=early_mounts(layout),
    )


# ------------------------------------------------------------------------------ what is asked for


def _asked(loaded: LoadedImage, change: CommandLineChange, initrd: InitrdWish) -> tuple[str, ...]:
    """The keys that ask for another boot."""
    image = loaded.image
    keys = {
        "os.kernelCommandLine.extraCommandLine": image.os.kernel_command_line.extra_command_line,
        "os.selinux.mode": image.os.selinux.mode,
        "os.uki.mode": image.os.uki and image.os.uki.mode,
        "os.bootloader.resetType": image.os.bootloader.reset_type,
        "os.initrd": "os.initrd" in loaded.positions,
        "storage": image.storage.disks or image.storage.verity,
        "os": change and change != NO_CHANGE,
    }
    found = tuple(key for key, used in keys.items() if used)
    return found[:-1] if len(found) > 1 and found[-1] == "os" else found
