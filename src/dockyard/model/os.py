"""The operating system inside the image (`os`): packages, accounts, files, services, boot.

Users, groups, files and directories have modules of their own and are found here as well.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from dockyard.model.base import Mistake, Model
from dockyard.model.content import AdditionalDir, AdditionalFile
from dockyard.model.distro_values import Streams
from dockyard.model.fields import Date, LocalPath, field
from dockyard.model.users import Group, Password, PasswordType, User

__all__ = [
    "AdditionalDir",
    "AdditionalFile",
    "Bootloader",
    "BootloaderType",
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


class BootloaderType(StrEnum):
    SYSTEMD_BOOT = "systemd-boot"
    GRUB = "grub"


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

    update_existing_packages: bool = field(
        "Update every package that the base image has.", default=False, examples=[True]
    )
    install_lists: tuple[LocalPath, ...] = field(
        "Files with names of packages to install (`packages:` and a list).",
        default=(),
        examples=[["lists/ssh.yaml"]],
    )
    install: tuple[str, ...] = field(
        "Packages to install. `@ID` is a group of packages of an RPM distribution, `@^ID` an "
        "environment of groups: the mandatory and the default packages, with ` --optional` after "
        "it the optional ones too, with ` --nodefaults` only the mandatory.",
        default=(),
        examples=[["openssh-server"]],
    )
    remove_lists: tuple[LocalPath, ...] = field(
        "Files with names of packages to remove.", default=(), examples=[["lists/unwanted.yaml"]]
    )
    remove: tuple[str, ...] = field("Packages to remove.", default=(), examples=[["telnet"]])
    update_lists: tuple[LocalPath, ...] = field(
        "Files with names of packages to update.", default=(), examples=[["lists/ssh.yaml"]]
    )
    update: tuple[str, ...] = field("Packages to update.", default=(), examples=[["openssl"]])
    modules: Streams = field(
        "Streams of modules that packages are taken from in place of the default ones.",
        default=(),
        examples=[["nodejs:20"]],
    )
    without_suites: tuple[str, ...] = field(
        "Suites of the distribution's Debian archives that no packages are taken from, such as one "
        "that is not to be had where the image is made.",
        default=(),
        examples=[["trixie-security"]],
    )
    snapshot_time: Date = field(
        "Take only packages published before this time: `YYYY-MM-DD` or an RFC 3339 time.",
        default="",
        examples=["2025-05-20"],
    )
    remove_package_manager: bool = field(
        "Leave the package manager and its data out of the image.", default=False, examples=[True]
    )


class Selinux(Model):
    """SELinux settings."""

    mode: SelinuxMode | None = field(
        "`enforcing`, `permissive`, `disabled`, or `force-enforcing`, which also says it on "
        "the kernel command line. Default: as the packages or the base image have it.",
        default=None,
        examples=["enforcing"],
    )


class KernelCommandLine(Model):
    """Kernel command line."""

    extra_command_line: tuple[str, ...] = field(
        "Arguments added to the kernel command line.", default=(), examples=[["console=ttyS0"]]
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

    enable: tuple[str, ...] = field(
        "Units to enable. `sshd` means `sshd.service`.", default=(), examples=[["sshd"]]
    )
    disable: tuple[str, ...] = field("Units to disable.", default=(), examples=[["cups"]])


class Module(Model):
    """A kernel module."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["name"]}

    name: str = field(
        "Name of the module.",
        default="",
        examples=["br_netfilter"],
        schema={"pattern": r"^[^\s/]+$"},
    )
    load_mode: LoadMode | None = field(
        "`always`: load at boot. `auto`: load on demand. `disable`: never load, not even by "
        "name or alias. "
        "`inherit` (default): leave as it is.",
        default=None,
        examples=["always"],
    )
    options: dict[str, str] = field(
        "Options of the module.", default_factory=dict, examples=[{"nbds_max": "8"}]
    )


class Overlay(Model):
    """An overlayfs mount: a writable layer above read-only directories."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["upperDir", "workDir", "mountPoint"]}

    lower_dirs: tuple[str, ...] = field(
        "Directories beneath, topmost first.", default=(), examples=[["/etc"]]
    )
    upper_dir: str = field(
        "Directory that takes the changes.", default="", examples=["/var/overlays/etc/upper"]
    )
    work_dir: str = field(
        "Empty directory on the same file system as `upperDir`.",
        default="",
        examples=["/var/overlays/etc/work"],
    )
    mount_point: str = field("Where the overlay is mounted.", default="", examples=["/etc"])
    is_initrd_overlay: bool = field(
        "Mount it in the initrd, before the system starts.", default=False, examples=[True]
    )
    mount_dependencies: tuple[str, ...] = field(
        "Mount points that must be there first.", default=(), examples=[["/var"]]
    )
    mount_options: str = field(
        "Further mount options, separated by commas.", default="", examples=["noatime"]
    )


class Bootloader(Model):
    """Boot loader settings."""

    reset_type: ResetBootloaderType | None = field(
        "`hard-reset`: reinstall and reconfigure the boot loader. Needed with "
        "`storage.disks` and `storage.resetPartitionsUuidsType`.",
        default=None,
        examples=["hard-reset"],
    )
    type: BootloaderType | None = field(
        "What an image that is made from packages boots with. `systemd-boot` (default): a UKI on "
        "the EFI system partition. `grub`: kernel and initrd in /boot, with an entry of the Boot "
        "Loader Specification for them. Not a key of Image Customizer.",
        default=None,
        examples=["grub"],
    )


class Uki(Model):
    """Unified kernel image: kernel, initrd and command line in one signed EFI program."""

    mode: UkiMode | None = field(
        "`create`: make UKIs. `passthrough`: keep those of the input image as they are. "
        "`modify`: change their command line only.",
        default=None,
        examples=["create"],
    )


class Initrd(Model):
    """The initial RAM disk, which finds and mounts the root. Not a key of Image Customizer."""

    builder: InitrdBuilder = field(
        "`dockyard`: put together from the image's files, small and quick. `dracut`: made by "
        "the image's own dracut, for LVM, RAID, multipath or a root on the network.",
        default=InitrdBuilder.DOCKYARD,
        examples=["dracut"],
    )
    modules: tuple[str, ...] = field(
        "Kernel modules that it holds beside those that every image needs.",
        default=(),
        examples=[["megaraid_sas"]],
    )


class Os(Model):
    """The operating system inside the image."""

    hostname: str = field(
        "Host name written to /etc/hostname.",
        default="",
        examples=["node-1"],
        schema={"pattern": r"^[A-Za-z0-9.-]*$", "maxLength": 64},
    )
    packages: Packages = field("Packages.", default=Packages())
    selinux: Selinux = field("SELinux settings.", default=Selinux())
    kernel_command_line: KernelCommandLine = field(
        "Kernel command line.", default=KernelCommandLine()
    )
    additional_files: tuple[AdditionalFile, ...] = field("Files to put into the image.", default=())
    additional_dirs: tuple[AdditionalDir, ...] = field(
        "Directories to copy into the image.", default=()
    )
    groups: tuple[Group, ...] = field("Groups to create.", default=())
    users: tuple[User, ...] = field("Users to create or to change.", default=())
    services: Services = field("Units to enable and to disable.", default=Services())
    modules: tuple[Module, ...] = field("Kernel modules.", default=())
    overlays: tuple[Overlay, ...] = field("Overlay mounts.", default=())
    bootloader: Bootloader = field("Boot loader.", default=Bootloader())
    uki: Uki | None = field("Unified kernel images.", default=None)
    initrd: Initrd = field("Initial RAM disk.", default=Initrd())
    image_history: ImageHistory | None = field(
        "`none`: write no record of a customization into the image, neither its history "
        "(/usr/share/image-customizer/history.json) nor /etc/image-customizer-release.",
        default=None,
        examples=["none"],
    )
