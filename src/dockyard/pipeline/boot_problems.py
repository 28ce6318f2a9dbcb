"""Judges what an image file asks for of how an image that exists boots: before any work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.disk.boot_files import BootKind
from dockyard.disk.command_words import (
    words_of,
)
from dockyard.disk.grub_menu import argument
from dockyard.errors import DockyardError, Problem
from dockyard.model.os import UkiMode
from dockyard.model.storage import BootType
from dockyard.pipeline.existing_disk import DiskSource

# The first systemd whose stub knows addons (its NEWS).
_ADDONS_SINCE = 254


def boot_problems(
    loaded: LoadedImage, source: DiskSource, asked: tuple[str, ...]
) -> Iterator[Problem]:
    """What cannot be. asked: the keys that ask for another boot."""
    kind = source.boot.boot_kind
    mode = loaded.image.os.uki.mode if loaded.image.os.uki else None
    if asked and kind is None:
        yield from (_unknown(loaded, source, key) for key in asked)
        return
    yield from _conflicts(loaded, source, kind, mode, asked)
    by_bios = loaded.image.storage.boot_type is BootType.LEGACY
    if by_bios or (kind is not None and kind.by_grub and mode is not UkiMode.CREATE):
        yield from _not_handed_on(loaded)


def _unknown(loaded: LoadedImage, source: DiskSource, key: str) -> Problem:
    return loaded.problem(
        key,
        "boot.unknown-kind",
        f"`{key}` cannot be acted on: how the image boots is not known",
        why=source.boot.why,
        fix="give an image that boots by GRUB 2, or by systemd-boot, or remove the key; "
        "`dockyard inspect` shows what the image has",
    )


def _not_handed_on(loaded: LoadedImage) -> Iterator[Problem]:
    """The user's words that GRUB cannot hand on."""
    given = loaded.image.os.kernel_command_line.extra_command_line
    for index, text in enumerate(given):
        at = loaded.position(f"os.kernelCommandLine.extraCommandLine[{index}]")
        for word in words_of(text):
            try:
                argument(word)
            except DockyardError as error:
                yield from (replace(problem, where=at) for problem in error.problems)


def _conflicts(
    loaded: LoadedImage,
    source: DiskSource,
    kind: BootKind | None,
    mode: UkiMode | None,
    asked: tuple[str, ...],
) -> Iterator[Problem]:
    boot = source.boot
    sealed = mode in (UkiMode.PASSTHROUGH, UkiMode.MODIFY)
    if sealed and kind is not BootKind.UKIS:
        yield loaded.problem(
            "os.uki.mode",
            "boot.no-ukis",
            f"`uki: {{mode: {mode}}}` needs an image with UKIs, and this one has none",
            why=f"it boots by {kind}" if kind else boot.why,
            fix="use `create`, which makes them, or remove `os.uki`",
        )
    if sealed and "os.initrd" in asked:
        yield loaded.problem(
            "os.initrd",
            "config.uki-conflict",
            f"`os.initrd` cannot be combined with `uki: {{mode: {mode}}}`",
            why="the initrd is sealed in the UKI",
            fix="set `os.uki.mode: create`, or remove this setting",
        )
    old = [uki.path for uki in boot.ukis if not uki.addons and uki.stub < _ADDONS_SINCE]
    if mode is UkiMode.MODIFY and old:
        yield loaded.problem(
            "os.uki.mode",
            "boot.no-addons",
            f"the command line of {', '.join(old)} cannot be modified",
            why=f"it has no addon, and stubs of systemd before {_ADDONS_SINCE} read none",
            fix="set `os.uki.mode: create`",
        )
    needs_esp = "os.bootloader.resetType" in asked or mode is UkiMode.CREATE
    by_bios = loaded.image.storage.boot_type is BootType.LEGACY
    if kind is not None and not boot.esp and needs_esp and not by_bios:
        key = "os.uki.mode" if mode is UkiMode.CREATE else "os.bootloader.resetType"
        yield loaded.problem(
            key,
            "boot.no-esp",
            f"`{key}` needs an EFI system partition, and the image mounts none",
            why="it boots by BIOS: its boot loader is outside of all file systems, and is kept",
            fix="remove the key; os.kernelCommandLine is acted on without it",
        )
    yield from _signed(loaded, boot.ukis and [u.path for u in boot.ukis if u.is_signed], kind,
                       mode, asked)  # fmt: skip


def _signed(
    loaded: LoadedImage,
    signed: object,
    kind: BootKind | None,
    mode: UkiMode | None,
    asked: tuple[str, ...],
) -> Iterator[Problem]:
    if kind is BootKind.UKIS and mode is None and signed and asked:
        yield loaded.problem(
            asked[0],
            "boot.signed-uki",
            f"`{asked[0]}` would take the signature from the UKIs of the image",
            why="what is signed has the kernel command line and the initrd in it",
            fix="say what is to be done: `os.uki.mode: create` makes unsigned ones, `modify` adds "
            "words beside them",
        )
