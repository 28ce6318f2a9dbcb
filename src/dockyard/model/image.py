"""The top of an image file, and the two small files beside it.

An image file is a superset of the configuration of Image Customizer.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from dockyard.model.architecture import Architecture
from dockyard.model.base import Mistake, Model, absolute_path_mistakes
from dockyard.model.checks import ImageCheck
from dockyard.model.content import Script, Scripts
from dockyard.model.fields import LocalPath, field
from dockyard.model.input import Input
from dockyard.model.live import Iso, Pxe
from dockyard.model.os import Os
from dockyard.model.output import Output
from dockyard.model.storage import MountIdType, Storage
from dockyard.model.variants import Matrix, Name, Values, Variable, VariableName

__all__ = [
    "BaseConfig",
    "Image",
    "InjectFile",
    "InjectFilesConfig",
    "InjectPartition",
    "PackageList",
    "PreviewFeature",
    "Profile",
    "Script",
    "Scripts",
]


class PreviewFeature(StrEnum):
    """Switches of Image Customizer; here they are accepted and never needed."""

    UKI = "uki"
    OUTPUT_ARTIFACTS = "output-artifacts"
    INJECT_FILES = "inject-files"
    REINITIALIZE_VERITY = "reinitialize-verity"
    PACKAGE_SNAPSHOT_TIME = "package-snapshot-time"
    KDUMP_BOOT_FILES = "kdump-boot-files"
    PREVIEW_DISTRO_VERSION = "preview-distro-version"
    UNSUPPORTED_DISTRO_VERSION = "unsupported-distro-version"
    BASE_CONFIGS = "base-configs"
    INPUT_IMAGE_OCI = "input-image-oci"
    OUTPUT_SELINUX_POLICY = "output-selinux-policy"
    BTRFS = "btrfs"
    CREATE = "create"
    TOOLS_DIR = "tools-dir"
    REMOVE_PACKAGE_MANAGER = "remove-package-manager"


class BaseConfig(Model):
    """An image file that this one builds on."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["path"]}

    path: LocalPath = field("The image file.", default="", examples=["./base.yaml"])
    when: dict[Name, Values] = field(
        "Values of variables of this file, or of `profile`: only with all of these does it build "
        "on that one. Of several values for one variable, any will do.",
        default_factory=dict,
        examples=[{"edition": ["server", "desktop"]}],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not self.path.strip():
            yield Mistake(
                ("path",), "config.empty", "the base config has no path", "name an image file"
            )


class Profile(Model):
    """What an image file says of an image, all in all or on top where the profile is chosen."""

    name: str = field(
        "Name of the image. Default: the name of the file without its suffix.",
        default="",
        examples=["web-node"],
    )
    distro: LocalPath | None = field(
        "Distribution that packages come from, for an image made from nothing: the "
        "name of one that comes with Dockyard, or the path of a distribution file.",
        default=None,
        examples=["harbor", "debian-13", "./team/distro.yaml"],
    )
    architecture: Architecture | None = field(
        "Processor that an image made from packages is for, one that its distribution has. "
        "Default: the first of these.",
        default=None,
        examples=["aarch64"],
    )
    base_configs: tuple[BaseConfig, ...] = field(
        "Image files that this one builds on, in order.", default=()
    )
    input: Input = field("The image that is customized.", default=Input())
    storage: Storage = field("Disk layout.", default=Storage())
    os: Os = field("The operating system inside the image.", default=Os())
    scripts: Scripts = field("Scripts that run in the image.", default=Scripts())
    checks: tuple[ImageCheck, ...] = field(
        "What `boot --check` asks the booted image beside its settings.", default=()
    )
    iso: Iso | None = field("What goes on a live ISO.", default=None)
    pxe: Pxe | None = field("What goes to a network boot server.", default=None)
    output: Output = field("What a build writes.", default=Output())


class Image(Profile):
    """One image, or one for each combination of a matrix."""

    variables: dict[VariableName, Variable] = field(
        "Values that are chosen when the image is made: in this file, `${{ name }}` stands for "
        "that of `name`, and `${{ variant }}` for what tells the image from others of the file.",
        default_factory=dict,
    )
    profiles: dict[Name, Profile] = field(
        "What is put on top of the file where `--profile` names it.", default_factory=dict
    )
    matrix: Matrix | None = field("Several images, one for each combination.", default=None)
    preview_features: tuple[PreviewFeature, ...] = field(
        "Switches of Image Customizer. Accepted, and never needed.", default=(), examples=[["uki"]]
    )


class InjectPartition(Model):
    """A partition of the image that files are put into."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["idType", "id"]}

    id_type: MountIdType | None = field(
        "How the partition is named.", default=None, examples=["part-uuid"]
    )
    id: str = field(
        "The partition's UUID or label.",
        default="",
        examples=["b9f59ced-d1a6-44a7-91d9-4d623a39b032"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.id_type is None:
            yield Mistake(("idType",), "config.required", "no `idType`", "add `idType: part-uuid`")
        if not self.id:
            yield Mistake(("id",), "config.required", "no `id`", "add the partition's `id`")


class InjectFile(Model):
    """A file to put into a finished image."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["partition", "destination", "source"]}

    partition: InjectPartition | None = field("The partition.", default=None)
    destination: str = field(
        "Absolute path on the partition.", default="", examples=["/EFI/BOOT/bootx64.efi"]
    )
    source: LocalPath = field("File to copy.", default="", examples=["./shim/bootx64.efi"])
    type: str = field(
        "What the file is, as `output.artifacts` calls it.", default="", examples=["shim"]
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.partition is None:
            yield Mistake(
                (),
                "config.required",
                "the file has no `partition`",
                "add `partition: {idType: part-label, id: <label>}`",
                reads=(("partition",),),
            )
        if not self.source:
            yield Mistake(("source",), "config.required", "no `source`", "add `source`")
        yield from absolute_path_mistakes(self.destination, "destination")


class InjectFilesConfig(Model):
    """Files to put into a finished image."""

    inject_files: tuple[InjectFile, ...] = field("The files.", default=())
    preview_features: tuple[PreviewFeature, ...] = field(
        "Switches of Image Customizer. Accepted, and never needed.",
        default=(),
        examples=[["inject-files"]],
    )


class PackageList(Model):
    """Names of packages, for `installLists`, `removeLists` and `updateLists`."""

    packages: tuple[str, ...] = field(
        "Names of packages.", default=(), examples=[["openssh-server"]]
    )
