"""The operating system inside the image (`os`): packages, accounts, files, services, boot.

Users, groups, files and directories have modules of their own and are found here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dockyard.model import os_rules
from dockyard.model.base import LocalPath, Mistake, Model
from dockyard.model.content import AdditionalDir, AdditionalFile
from dockyard.model.users import Group, Password, PasswordType, User

__all__ = [
    "AdditionalDir",
    "AdditionalFile",
    "Bootloader",
    "Group",
    "ImageHistory",
    "Initrd",
    "InitrdBuilder",
    "KernelCommandLine",
    "LoadMode",
    "Module",
    "Os",
    "Overlay",
    "Packages",
    "Password",
    "PasswordType",
    "ResetBootloaderType",
    "Selinux",
    "SelinuxMode",
    "Services",
    "Uki",
    "UkiMode",
    "User",
]


class SelinuxMode(StrEnum):
    DISABLED = "disabled"
    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"
    FORCE_ENFORCING = "force-enforcing"


class LoadMode(StrEnum):
    ALWAYS = "always"
    AUTO = "auto"
    DISABLE = "disable"
    INHERIT = "inherit"


class ResetBootloaderType(StrEnum):
    HARD_RESET = "hard-reset"


class UkiMode(StrEnum):
    CREATE = "create"
    PASSTHROUGH = "passthrough"
    MODIFY = "modify"


class InitrdBuilder(StrEnum):
    DOCKYARD = "dockyard"
    DRACUT = "dracut"


class ImageHistory(StrEnum):
    NONE = "none"


class Packages(Model):
    """Packages to install, remove and update."""

    update_existing_packages: bool = Field(
        default=False,
        description="Update every package that the base image has.",
        examples=[True],
    )
    install_lists: tuple[LocalPath, ...] = Field(
        default=(),
        description="Files with names of packages to install (`packages:` and a list).",
        examples=[["lists/ssh.yaml"]],
    )
    install: tuple[str, ...] = Field(
        default=(), description="Packages to install.", examples=[["openssh-server"]]
    )
    remove_lists: tuple[LocalPath, ...] = Field(
        default=(),
        description="Files with names of packages to remove.",
        examples=[["lists/unwanted.yaml"]],
    )
    remove: tuple[str, ...] = Field(
        default=(), description="Packages to remove.", examples=[["telnet"]]
    )
    update_lists: tuple[LocalPath, ...] = Field(
        default=(),
        description="Files with names of packages to update.",
        examples=[["lists/ssh.yaml"]],
    )
    update: tuple[str, ...] = Field(
        default=(), description="Packages to update.", examples=[["openssl"]]
    )
    snapshot_time: Annotated[str, "date"] = Field(
        default="",
        description=(
            "Take only packages published before this time: `YYYY-MM-DD` or an RFC 3339 time."
        ),
        examples=["2025-05-20"],
    )
    remove_package_manager: bool = Field(
        default=False,
        description="Leave the package manager and its data out of the image.",
        examples=[True],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.packages(self)


class Selinux(Model):
    """SELinux settings."""

    mode: SelinuxMode | None = Field(
        default=None,
        description=(
            "`enforcing`, `permissive`, `disabled`, or `force-enforcing`, which also says it on "
            "the kernel command line. Default: as the packages or the base image have it."
        ),
        examples=["enforcing"],
    )


class KernelCommandLine(Model):
    """Kernel command line."""

    extra_command_line: tuple[str, ...] = Field(
        default=(),
        description="Arguments added to the kernel command line.",
        examples=[["console=ttyS0"]],
    )

    def mistakes(self) -> Iterator[Mistake]:
        for index, argument in enumerate(self.extra_command_line):
            if not argument.strip() or "\n" in argument.strip():
                yield Mistake(
                    ("extraCommandLine", index),
                    "config.kernel-argument",
                    "the kernel argument is empty"
                    if not argument.strip()
                    else "the kernel argument has several lines",
                    "give one argument, such as `console=ttyS0`, or remove the item",
                )


class Services(Model):
    """systemd units that start, or do not start, with the system."""

    enable: tuple[str, ...] = Field(
        default=(),
        description="Units to enable. `sshd` means `sshd.service`.",
        examples=[["sshd"]],
    )
    disable: tuple[str, ...] = Field(
        default=(), description="Units to disable.", examples=[["cups"]]
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.services(self)


class Module(Model):
    """A kernel module."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["name"]}

    name: str = Field(
        default="",
        description="Name of the module.",
        examples=["br_netfilter"],
        json_schema_extra={"pattern": r"^[^\s/]+$"},
    )
    load_mode: LoadMode | None = Field(
        default=None,
        description=(
            "`always`: load at boot. `auto`: load on demand. `disable`: never load, not even by "
            "name or alias. "
            "`inherit` (default): leave as it is."
        ),
        examples=["always"],
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of the module.",
        examples=[{"nbds_max": "8"}],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.module(self)


class Overlay(Model):
    """An overlayfs mount: a writable layer above read-only directories."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["upperDir", "workDir", "mountPoint"]}

    lower_dirs: tuple[str, ...] = Field(
        default=(), description="Directories beneath, topmost first.", examples=[["/etc"]]
    )
    upper_dir: str = Field(
        default="",
        description="Directory that takes the changes.",
        examples=["/var/overlays/etc/upper"],
    )
    work_dir: str = Field(
        default="",
        description="Empty directory on the same file system as `upperDir`.",
        examples=["/var/overlays/etc/work"],
    )
    mount_point: str = Field(
        default="", description="Where the overlay is mounted.", examples=["/etc"]
    )
    is_initrd_overlay: bool = Field(
        default=False,
        description="Mount it in the initrd, before the system starts.",
        examples=[True],
    )
    mount_dependencies: tuple[str, ...] = Field(
        default=(),
        description="Mount points that must be there first.",
        examples=[["/var"]],
    )
    mount_options: str = Field(
        default="",
        description="Further mount options, separated by commas.",
        examples=["noatime"],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.overlay(self)


class Bootloader(Model):
    """Boot loader settings."""

    reset_type: ResetBootloaderType | None = Field(
        default=None,
        description=(
            "`hard-reset`: install and configure the boot loader anew. Needed with "
            "`storage.disks` and `storage.resetPartitionsUuidsType`."
        ),
        examples=["hard-reset"],
    )


class Uki(Model):
    """Unified kernel image: kernel, initrd and command line in one signed EFI program."""

    mode: UkiMode | None = Field(
        default=None,
        description=(
            "`create`: make UKIs. `passthrough`: keep those of the input image as they are. "
            "`modify`: change their command line only."
        ),
        examples=["create"],
    )


class Initrd(Model):
    """The initial RAM disk, which finds and mounts the root. Not a key of Image Customizer."""

    builder: InitrdBuilder = Field(
        default=InitrdBuilder.DOCKYARD,
        description=(
            "`dockyard`: put together from the image's files, small and quick. `dracut`: made by "
            "the image's own dracut, for LVM, RAID, multipath or a root on the network."
        ),
        examples=["dracut"],
    )
    modules: tuple[str, ...] = Field(
        default=(),
        description="Kernel modules that it holds beside those that every image needs.",
        examples=[["megaraid_sas"]],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.initrd(self)


class Os(Model):
    """The operating system inside the image."""

    hostname: str = Field(
        default="",
        description="Host name written to /etc/hostname.",
        examples=["node-1"],
        json_schema_extra={"pattern": r"^[A-Za-z0-9.-]*$", "maxLength": 64},
    )
    packages: Packages = Field(default_factory=Packages.model_construct, description="Packages.")
    selinux: Selinux = Field(
        default_factory=Selinux.model_construct, description="SELinux settings."
    )
    kernel_command_line: KernelCommandLine = Field(
        default_factory=KernelCommandLine.model_construct, description="Kernel command line."
    )
    additional_files: tuple[AdditionalFile, ...] = Field(
        default=(), description="Files to put into the image."
    )
    additional_dirs: tuple[AdditionalDir, ...] = Field(
        default=(), description="Directories to copy into the image."
    )
    groups: tuple[Group, ...] = Field(default=(), description="Groups to create.")
    users: tuple[User, ...] = Field(default=(), description="Users to create or to change.")
    services: Services = Field(
        default_factory=Services.model_construct, description="Units to enable and to disable."
    )
    modules: tuple[Module, ...] = Field(default=(), description="Kernel modules.")
    overlays: tuple[Overlay, ...] = Field(default=(), description="Overlay mounts.")
    bootloader: Bootloader = Field(
        default_factory=Bootloader.model_construct, description="Boot loader."
    )
    uki: Uki | None = Field(default=None, description="Unified kernel images.")
    initrd: Initrd = Field(default_factory=Initrd, description="Initial RAM disk.")
    image_history: ImageHistory | None = Field(
        default=None,
        description="`none`: write no record of the build into the image.",
        examples=["none"],
    )

    def mistakes(self) -> Iterable[Mistake]:
        return os_rules.os(self)
