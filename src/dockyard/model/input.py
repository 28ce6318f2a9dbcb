"""The image that is customized (`input`)."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from dockyard.model.base import Mistake, Model
from dockyard.model.fields import LocalPath, field

# The grammar of OCI distribution: the registry's host, then a path, then a tag or a digest. What
# stands before the first slash is always the host, as there is no registry that is meant otherwise.
_HOST = r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_OCI_REFERENCE = (
    rf"{_HOST}/{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))?"
)
_VERSION = r"\d+\.\d+(\.\d+)?"


class OciPlatform(Model):
    """Which image of an OCI index to take. A bare string is `OS[/ARCHITECTURE]`."""

    shorthand: ClassVar[str | None] = "os"

    os: str = field("Operating system.", default="", examples=["linux"])
    architecture: str = field("Processor.", default="", examples=["amd64"])

    @classmethod
    def split_shorthand(cls, text: str) -> dict[str, str]:
        system, _, architecture = text.partition("/")
        if "/" in architecture:
            return {"os": text}
        return {"os": system, "architecture": architecture} if architecture else {"os": system}

    def mistakes(self) -> Iterator[Mistake]:
        # A variant, as in arm/v7, can be given with the architecture's own key.
        if "/" in self.os:
            yield Mistake(
                ("os",),
                "config.oci-platform",
                "the platform has more than two parts",
                "write `os/architecture`, such as linux/amd64, or give `os: linux` and "
                "`architecture: arm/v7`",
                reads=(("os",),),
            )


class OciImage(Model):
    """An image in an OCI registry. A bare string is its `uri`."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["uri"]}

    shorthand: ClassVar[str | None] = "uri"

    uri: str = field(
        "Reference of the image: registry, repository, tag or digest.",
        default="",
        examples=["registry.example.com/images/minimal:3.0"],
    )
    platform: OciPlatform | None = field(
        "Platform, where the reference is an index. Default: the builder's.",
        default=None,
        examples=["linux/amd64"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not re.fullmatch(_OCI_REFERENCE, self.uri):
            yield Mistake(
                ("uri",),
                "config.oci-reference",
                f"{self.uri!r} is not the reference of an OCI image" if self.uri else "no `uri`",
                "write it as registry.example.com/repository:tag or …@sha256:<digest>",
            )


class AzureLinuxImage(Model):
    """A published Azure Linux image."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["variant", "version"]}

    variant: str = field(
        "Variant.", default="", examples=["minimal-os"], schema={"pattern": f"^{_COMPONENT}$"}
    )
    version: str = field("Version: two or three numbers.", default="", examples=["3.0.20250910"])

    def mistakes(self) -> Iterator[Mistake]:
        if not re.fullmatch(_COMPONENT, self.variant):
            yield Mistake(
                ("variant",),
                "config.azure-linux-variant",
                f"{self.variant!r} is not the name of a variant",
                "use lower-case letters and digits with single separators, such as minimal-os",
            )
        if not re.fullmatch(_VERSION, self.version):
            yield Mistake(
                ("version",),
                "config.azure-linux-version",
                f"{self.version!r} is not a version",
                "give two or three numbers, such as 3.0 or 3.0.20250910",
            )


class InputImage(Model):
    """Where the input image comes from: one of its three keys."""

    schema_rules: ClassVar[dict[str, Any]] = {"maxProperties": 1}

    path: LocalPath = field("Image file.", default="", examples=["./base.vhdx"])
    oci: OciImage | None = field("Image in an OCI registry.", default=None)
    azure_linux: AzureLinuxImage | None = field("A published Azure Linux image.", default=None)

    def mistakes(self) -> Iterator[Mistake]:
        given = [
            key
            for key, value in (
                ("path", self.path),
                ("oci", self.oci),
                ("azureLinux", self.azure_linux),
            )
            if value
        ]
        for key in given[1:]:
            yield Mistake(
                (key,),
                "config.exclusive",
                f"`{given[0]}` and `{key}` exclude each other",
                "keep one of `path`, `oci` and `azureLinux`",
            )


class Input(Model):
    """The image that is customized."""

    image: InputImage = field("Where the input image comes from.", default=InputImage())
