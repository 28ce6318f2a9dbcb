"""The rules across the parts of an image file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dockyard.model.base import Mistake

if TYPE_CHECKING:
    from dockyard.model import image as m


def image(value: m.Image) -> Iterator[Mistake]:
    yield from _boot_loader(value)
    yield from _uki(value)
    if value.distro is not None and not value.distro.strip():
        yield Mistake(("distro",), "config.empty", "`distro` is empty", "name a distribution file")
    given = value.input.image
    if value.distro and (given.path or given.oci or given.azure_linux):
        yield Mistake(
            ("distro",),
            "config.exclusive",
            "`distro` and `input` exclude each other",
            "remove `input` to make the image from packages, or `distro` to customize an image",
            reads=(("distro",), ("input",)),
        )
    if value.name and ("/" in value.name or not value.name.isprintable()):
        yield Mistake(
            ("name",),
            "config.image-name",
            f"{value.name!r} cannot be a file's name",
            "use letters, digits and hyphens",
            reads=(("name",),),
        )


def _boot_loader(value: m.Image) -> Iterator[Mistake]:
    if value.os.bootloader.reset_type:
        return
    for key, given in (
        ("disks", value.storage.disks),
        ("resetPartitionsUuidsType", value.storage.reset_partitions_uuids_type),
    ):
        if given:
            yield Mistake(
                ("storage", key),
                "config.required",
                f"`storage.{key}` needs `os.bootloader.resetType`",
                "add `bootloader: {resetType: hard-reset}` to `os`",
                "the boot loader names the partitions that it starts from",
                reads=(("os", "bootloader"),),
            )


def _uki(value: m.Image) -> Iterator[Mistake]:
    mode = value.os.uki.mode if value.os.uki else None
    if mode not in ("passthrough", "modify"):
        return
    reset = ("os", "bootloader", "resetType"), value.os.bootloader.reset_type, "the boot loader"
    verity = ("storage", "verity"), value.storage.verity, "the initrd"
    overlays = ("os", "overlays"), value.os.overlays, "the initrd"
    conflicts: list[tuple[tuple[str, ...], object, str]] = [reset, verity, overlays]
    if mode == "passthrough":
        conflicts += [
            (("os", "selinux", "mode"), value.os.selinux.mode, "the kernel command line"),
            (
                ("os", "kernelCommandLine", "extraCommandLine"),
                value.os.kernel_command_line.extra_command_line,
                "the kernel command line",
            ),
            (
                ("storage", "reinitializeVerity"),
                value.storage.reinitialize_verity == "all",
                "the kernel command line",
            ),
        ]
    for path, given, changed in conflicts:
        if given:
            yield Mistake(
                path,
                "config.uki-conflict",
                f"`{'.'.join(path)}` cannot be combined with `uki: {{mode: {mode}}}`",
                "set `os.uki.mode: create`, or remove this setting",
                f"it changes {changed}, which is sealed in the UKI",
                reads=(),
            )
