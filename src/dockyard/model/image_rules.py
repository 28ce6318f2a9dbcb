"""The rules across the parts of an image file."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.errors import Severity
from dockyard.model.base import Mistake
from dockyard.model.image import Image
from dockyard.model.os import BootloaderType


def image(value: Image) -> Iterator[Mistake]:
    yield from _boot_loader(value)
    yield from _loader(value)
    yield from _uki(value)
    yield from _package_manager(value)
    yield from _root_argument(value)
    yield from _without_effect(value)
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


def _without_effect(value: Image) -> Iterator[Mistake]:
    """What is valid and asks for nothing: it is told, as it may be what is left of a mistake."""
    for index, feature in enumerate(value.preview_features):
        if feature in value.preview_features[:index]:
            yield Mistake(
                ("previewFeatures", index),
                "config.without-effect",
                f"the preview feature {feature} is named twice",
                "remove one of the two",
                reads=(("previewFeatures",),),
                severity=Severity.WARNING,
            )
    if value.os.uki is not None and not value.os.uki.mode:
        yield Mistake(
            ("os", "uki"),
            "config.without-effect",
            "`uki` has no `mode`, and asks for nothing",
            "give it a mode, such as `create`, or remove it",
            reads=(("os", "uki"),),
            severity=Severity.WARNING,
        )


# Formats that are made of, or for, an image that is customized again.
KEEP_PACKAGE_MANAGER = ("iso", "pxe-dir", "pxe-tar", "cosi", "baremetal-image")


def _package_manager(value: Image) -> Iterator[Mistake]:
    written = value.output.image.format
    if value.os.packages.remove_package_manager and written in KEEP_PACKAGE_MANAGER:
        yield Mistake(
            ("os", "packages", "removePackageManager"),
            "config.exclusive",
            f"`removePackageManager` cannot be combined with the format {written}",
            "remove it, or choose another format, such as qcow2",
            reads=(("os", "packages"), ("output",)),
        )


def _root_argument(value: Image) -> Iterator[Mistake]:
    """The layout says where the root is; a kernel argument that says otherwise would win."""
    mounted = {
        system.device_id: system
        for system in value.storage.filesystems
        if system.mount_point and system.mount_point.path == "/"
    }
    root = next((part for disk in value.storage.disks for part in disk.partitions
                 if part.id in mounted), None)  # fmt: skip
    if root is None:
        return
    names = {f"PARTLABEL={root.label}", f"/dev/disk/by-partlabel/{root.label}"}
    fits: dict[str, set[str]] = {
        "root": names if root.label else set(),
        "rootfstype": {str(mounted[root.id].type)},
    }
    for index, text in enumerate(value.os.kernel_command_line.extra_command_line):
        for argument in text.split():
            key, equals, given = argument.strip('"').partition("=")
            if equals and key in fits and given not in fits[key]:
                at = ("os", "kernelCommandLine", "extraCommandLine", index)
                yield Mistake(
                    at,
                    "config.root-argument",
                    f"the kernel argument {argument} contradicts the disk layout",
                    f"remove it; `{key}=` follows from `storage`",
                    "the last one on the command line wins, and the root would not be found",
                    reads=(at, ("storage", "disks"), ("storage", "filesystems")),
                )


def _boot_loader(value: Image) -> Iterator[Mistake]:
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


def _loader(value: Image) -> Iterator[Mistake]:
    mode = value.os.uki.mode if value.os.uki else None
    if mode and value.os.bootloader.type is BootloaderType.GRUB:
        yield Mistake(
            ("os", "bootloader", "type"),
            "config.uki-conflict",
            f"`os.bootloader.type: grub` cannot be combined with `uki: {{mode: {mode}}}`",
            "remove one of the two",
            "GRUB starts the kernel in /boot, and nothing would start the UKI",
            reads=(("os", "uki"),),
        )


def _uki(value: Image) -> Iterator[Mistake]:
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
