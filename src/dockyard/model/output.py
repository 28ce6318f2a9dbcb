"""What a build writes (`output`)."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from dockyard.model.base import Mistake, Model
from dockyard.model.fields import LocalPath, field
from dockyard.model.guests import Extension, Oci, Wsl


class ImageFormat(StrEnum):
    """Every format that a file may name."""

    VHD = "vhd"
    VHD_FIXED = "vhd-fixed"
    VHDX = "vhdx"
    QCOW2 = "qcow2"
    VMDK = "vmdk"
    RAW = "raw"
    ISO = "iso"
    PXE_DIR = "pxe-dir"
    PXE_TAR = "pxe-tar"
    COSI = "cosi"
    BAREMETAL_IMAGE = "baremetal-image"
    TAR = "tar"
    TAR_ZST = "tar-zst"
    DIRECTORY = "directory"
    SQUASHFS = "squashfs"
    EROFS = "erofs"
    OCI_DIR = "oci-dir"
    OCI_ARCHIVE = "oci-archive"
    WSL = "wsl"
    SYSEXT = "sysext"
    CONFEXT = "confext"


class ArtifactItem(StrEnum):
    UKIS = "ukis"
    SHIM = "shim"
    BOOTLOADER = "bootloader"
    VERITY_HASH = "verity-hash"


class CosiCompression(Model):
    """Compression of a COSI file."""

    level: int | None = field(
        "Level of zstd, 1 to 22. Default: 9; 22 for `baremetal-image`.",
        default=None,
        examples=[9],
        schema={"minimum": 1, "maximum": 22},
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.level is not None and not 1 <= self.level <= 22:
            yield Mistake(
                ("level",),
                "config.out-of-range",
                f"level {self.level} is out of range",
                "give a number from 1 to 22",
            )


class Cosi(Model):
    """Settings of the formats `cosi` and `baremetal-image`; others do not have them."""

    compression: CosiCompression = field("Compression.", default=CosiCompression())


class OutputImage(Model):
    """The image that is written."""

    path: LocalPath = field("Where to.", default="", examples=["./out/image.vhdx"])
    format: ImageFormat | None = field("Format of the image.", default=None, examples=["qcow2"])
    cosi: Cosi = field("Settings of the formats `cosi` and `baremetal-image`.", default=Cosi())
    oci: Oci = field("Settings of the formats `oci-dir` and `oci-archive`.", default=Oci())
    wsl: Wsl = field("Settings of the format `wsl`.", default=Wsl())
    extension: Extension = field(
        "Settings of the formats `sysext` and `confext`.", default=Extension()
    )


class Artifacts(Model):
    """Files taken out of the image, so that they can be signed and injected again."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["items", "path"]}

    items: tuple[ArtifactItem, ...] = field("Which files.", default=(), examples=[["ukis", "shim"]])
    path: LocalPath = field("Directory to put them in.", default="", examples=["./out"])

    def mistakes(self) -> Iterator[Mistake]:
        for key, value in (("items", self.items), ("path", self.path)):
            if not value:
                yield Mistake(
                    (key,),
                    "config.required",
                    f"artifacts need `{key}`",
                    "give both `items` and `path`",
                )


class Output(Model):
    """What a build writes."""

    image: OutputImage = field("The image.", default=OutputImage())
    artifacts: Artifacts | None = field("Files taken out of the image for signing.", default=None)
    selinux_policy_path: LocalPath = field(
        "Directory to put the image's SELinux policy in.", default="", examples=["./selinux-policy"]
    )
