"""What a build writes (`output`)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from dockyard.model.base import LocalPath, Mistake, Model


class ImageFormat(StrEnum):
    """Every format that a file may name."""

    VHD = "vhd"
    VHD_FIXED = "vhd-fixed"
    VHDX = "vhdx"
    QCOW2 = "qcow2"
    RAW = "raw"
    ISO = "iso"
    PXE_DIR = "pxe-dir"
    PXE_TAR = "pxe-tar"
    COSI = "cosi"
    BAREMETAL_IMAGE = "baremetal-image"

    @property
    def is_written(self) -> bool:
        """Whether building writes it."""
        return self in WRITTEN_FORMATS


WRITTEN_FORMATS = (ImageFormat.RAW, ImageFormat.QCOW2, ImageFormat.VHD_FIXED)
"""The formats that building writes."""


class ArtifactItem(StrEnum):
    UKIS = "ukis"
    SHIM = "shim"
    BOOTLOADER = "bootloader"
    VERITY_HASH = "verity-hash"


class CosiCompression(Model):
    """Compression of a COSI file."""

    level: int | None = Field(
        default=None,
        description="Level of zstd, 1 to 22. Default: 9.",
        examples=[9],
        json_schema_extra={"minimum": 1, "maximum": 22},
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
    """Settings of the format `cosi`."""

    compression: CosiCompression = Field(
        default_factory=CosiCompression.model_construct, description="Compression."
    )


class OutputImage(Model):
    """The image that is written."""

    path: LocalPath = Field(default="", description="Where to.", examples=["./out/image.vhdx"])
    format: ImageFormat | None = Field(
        default=None, description="Format of the image.", examples=["qcow2"]
    )
    cosi: Cosi = Field(
        default_factory=Cosi.model_construct, description="Settings of the format `cosi`."
    )


class Artifacts(Model):
    """Files taken out of the image, so that they can be signed and injected again."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["items", "path"]}

    items: tuple[ArtifactItem, ...] = Field(
        default=(), description="Which files.", examples=[["ukis", "shim"]]
    )
    path: LocalPath = Field(default="", description="Directory to put them in.", examples=["./out"])

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

    image: OutputImage = Field(
        default_factory=OutputImage.model_construct, description="The image."
    )
    artifacts: Artifacts | None = Field(
        default=None, description="Files taken out of the image for signing."
    )
    selinux_policy_path: LocalPath = Field(
        default="",
        description="Directory to put the image's SELinux policy in.",
        examples=["./selinux-policy"],
    )
