"""Judges what an image file asks for of a live medium, or of what a network boots.

A live system has no disk: what an image file says of partitions, boot loaders and UKIs is for other
formats, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.errors import Problem, Severity
from dockyard.model.architecture import Architecture
from dockyard.model.live import InitramfsType, Iso, Pxe
from dockyard.model.os import InitrdBuilder, SelinuxMode
from dockyard.model.output import ImageFormat
from dockyard.pipeline.live import FETCHED, FORMATS
from dockyard.tree.additional import plain_path

_OWN_PLACES = ("/boot/", "/liveos/", "/EFI/", "/efi/")
_OWN_NAMES = (
    *("/vmlinuz", "/initrd.img", "/pxegrub.0", f"/{FETCHED}"),
    *(f"/{each.names.served_loader}" for each in Architecture),
)
_OF_A_DISK = ("storage", "os.bootloader", "os.uki")


def live_problems(loaded: LoadedImage, chosen: str) -> Iterator[Problem]:
    """What an image file asks for of live media that cannot be, and remarks. chosen: the format."""
    image = loaded.image
    sections = {"iso": image.iso, "pxe": image.pxe}
    used = "pxe" if chosen in (ImageFormat.PXE_DIR, ImageFormat.PXE_TAR) else "iso"
    fits = chosen in FORMATS and sections[used] is not None
    for key, section in sections.items():
        if section is not None and not fits:
            yield loaded.problem(
                key,
                "live.other-format",
                f"`{key}` is given, and the format is {chosen}",
                why=f"it says what is on {'a live ISO' if key == 'iso' else 'a boot server'}",
                fix=f"write the format {'iso' if key == 'iso' else 'pxe-dir or pxe-tar'}, "
                f"or remove `{key}`",
            )
    if chosen not in FORMATS:
        return
    yield from _without_a_disk(loaded, chosen)
    if (asked := sections[used]) is not None:
        yield from _files(loaded, asked, used)
    if used == "pxe":
        yield from _fetching(loaded, image.pxe or Pxe())


def _without_a_disk(loaded: LoadedImage, chosen: str) -> Iterator[Problem]:
    image = loaded.image
    if image.storage.verity:
        yield loaded.problem(
            "storage.verity",
            "live.verity",
            f"the format {chosen} has no dm-verity",
            why="its root is an image on the medium, below a layer in memory",
            fix="remove storage.verity, or choose another format",
        )
    if image.os.initrd.builder is InitrdBuilder.DRACUT:
        yield loaded.problem(
            "os.initrd.builder",
            "live.dracut",
            "the initrd of a live system is not made by dracut",
            fix="remove os.initrd.builder",
        )
    asked = image.pxe if chosen != ImageFormat.ISO else image.iso
    full = asked and asked.initramfs_type is InitramfsType.FULL_OS
    full = full or (chosen != ImageFormat.ISO and not (asked and asked.initramfs_type))
    if full and image.os.selinux.mode not in (None, SelinuxMode.DISABLED):
        yield loaded.problem(
            "os.selinux.mode",
            "live.selinux",
            "SELinux needs labels, which an initramfs cannot hold",
            why="`initramfsType: full-os` is asked for, or the default of the format",
            fix="use `initramfsType: bootstrap`, or `mode: disabled`",
        )
    used = [key for key in _OF_A_DISK if _is_given(loaded, key)]
    if used:
        yield replace(
            loaded.problem(
                used[0],
                "live.no-disk",
                f"{', '.join(used)}: not used for the format {chosen}",
                why="a live system has no disk; it boots with GRUB from its medium",
            ),
            severity=Severity.NOTE,
        )


def _is_given(loaded: LoadedImage, key: str) -> bool:
    image = loaded.image
    return bool(
        {
            "storage": image.storage.disks or image.storage.boot_type,
            "os.bootloader": image.os.bootloader.reset_type,
            "os.uki": image.os.uki,
        }[key]
    )


def _files(loaded: LoadedImage, asked: Iso, key: str) -> Iterator[Problem]:
    for index, file in enumerate(asked.additional_files):
        path = plain_path(file.destination)
        if path.startswith(_OWN_PLACES) or path in _OWN_NAMES:
            yield loaded.problem(
                f"{key}.additionalFiles[{index}].destination",
                "live.own-place",
                f"{path} is where the medium has what it boots with",
                fix=f"choose a place outside of {', '.join(_OWN_PLACES)}",
            )


def _fetching(loaded: LoadedImage, asked: Pxe) -> Iterator[Problem]:
    url = asked.bootstrap_base_url or asked.bootstrap_file_url
    key = "bootstrapFileUrl" if asked.bootstrap_file_url else "bootstrapBaseUrl"
    if asked.initramfs_type is InitramfsType.BOOTSTRAP and not url:
        yield loaded.problem(
            "pxe.initramfsType",
            "live.no-url",
            "a bootstrap initramfs must know where to fetch the root",
            fix="add bootstrapBaseUrl: the URL of the directory that the files are served from",
        )
    if asked.bootstrap_file_url.endswith("/"):
        yield loaded.problem(
            "pxe.bootstrapFileUrl",
            "live.no-file-name",
            "the URL of the image ends without the name of a file",
            fix="add the name, such as image.iso, or give bootstrapBaseUrl",
        )
    elif url and asked.initramfs_type is None:
        yield loaded.problem(
            f"pxe.{key}",
            "live.nothing-fetched",
            f"`{key}` is given, and nothing is fetched",
            why="without initramfsType the initramfs is the whole system",
            fix="add `initramfsType: bootstrap`",
        )
