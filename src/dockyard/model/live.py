"""Live media: what goes on an ISO (`iso`) or to a network boot server (`pxe`)."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from dockyard.model.base import Mistake, Model
from dockyard.model.content import AdditionalFile, same_destinations
from dockyard.model.fields import Mark, field
from dockyard.model.os import KernelCommandLine

URL_SCHEMES = ("ftp", "http", "https", "nfs", "tftp")


class InitramfsType(StrEnum):
    BOOTSTRAP = "bootstrap"
    FULL_OS = "full-os"


class KdumpBootFiles(StrEnum):
    NONE = "none"
    KEEP = "keep"


class Iso(Model):
    """What goes on a live ISO."""

    kernel_command_line: KernelCommandLine = field(
        "Kernel command line of the medium.", default=KernelCommandLine()
    )
    additional_files: tuple[AdditionalFile, ...] = field(
        "Files to put on the medium, outside the root file system.", default=()
    )
    initramfs_type: InitramfsType | None = field(
        "`bootstrap`: a small initramfs finds the root file system on the medium. "
        "`full-os`: the initramfs is the whole system.",
        default=None,
        examples=["bootstrap"],
    )
    kdump_boot_files: Annotated[KdumpBootFiles, Mark.FILLED] | None = field(
        "`keep`: leave kernel and initramfs for kdump in the root file system.",
        default=None,
        examples=["keep"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        yield from same_destinations(self.additional_files, "additionalFiles")


class Pxe(Iso):
    """What goes to a network boot server."""

    bootstrap_base_url: str = field(
        "URL of the directory that has the image. Excludes `bootstrapFileUrl`.",
        default="",
        examples=["http://boot.example.com/images"],
    )
    bootstrap_file_url: str = field(
        "URL of the image itself. Excludes `bootstrapBaseUrl`.",
        default="",
        examples=["http://boot.example.com/images/node.iso"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        yield from super().mistakes()
        urls = {
            "bootstrapBaseUrl": self.bootstrap_base_url,
            "bootstrapFileUrl": self.bootstrap_file_url,
        }
        if all(urls.values()):
            yield Mistake(
                ("bootstrapFileUrl",),
                "config.exclusive",
                "`bootstrapBaseUrl` and `bootstrapFileUrl` exclude each other",
                "keep one of them",
            )
        for key, url in urls.items():
            if not url:
                continue
            if self.initramfs_type == InitramfsType.FULL_OS:
                yield Mistake(
                    (key,),
                    "config.exclusive",
                    f"`{key}` has no meaning with `initramfsType: full-os`",
                    f"remove `{key}`",
                    "a full-os initramfs fetches nothing after it started",
                )
            if not _is_url(url):
                yield Mistake(
                    (key,),
                    "config.url",
                    f"{url!r} is not a URL that a boot loader can fetch",
                    f"start it with one of {', '.join(f'{scheme}://' for scheme in URL_SCHEMES)}, "
                    "and write blanks and special characters as %20 and the like",
                )


# RFC 3986: no blanks or control characters, and % begins an escape of two digits.
_NO_URL = r"[\x00-\x20\x7f<>\"\\^`{|}]|%(?![0-9A-Fa-f]{2})"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    written = text.startswith(tuple(f"{scheme}://" for scheme in URL_SCHEMES))
    return written and bool(parts.netloc) and not re.search(_NO_URL, text)
