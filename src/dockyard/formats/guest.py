"""What formats have in common that hold the root of a guest: a system that another one runs, which
brings the kernel and mounts what there is to mount.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from dockyard.archive import Archive, Entry, Kind
from dockyard.archive.entry import DEVICES
from dockyard.archive.flags import XATTR_FLAGS
from dockyard.errors import Severity
from dockyard.formats.parts import AnyFormat, Part
from dockyard.model.base import Mistake
from dockyard.model.image import Image

_KERNELS = ("kernel", "kernel-core", "kernel-default", "linux-generic")
_KERNEL_NAMES = ("linux-image-",)
# Labels are the policy's of the host; trusted attributes are those of an overlay's own.
_OF_THE_HOST = (b"security.selinux", b"security.ima", b"security.evm", b"trusted.", XATTR_FLAGS)


class Guest(AnyFormat):
    """A format with the root of a guest. runs: what runs it."""

    runs: ClassVar[str]
    needs: ClassVar[frozenset[Part]] = frozenset((Part.ROOT,))
    runs_programs: ClassVar[bool] = True

    def judged(self, image: Image) -> Iterator[Mistake]:
        why = f"it has no disk and does not boot: {self.runs} brings the kernel"
        yield from of_a_disk(image, self.name, why)
        for index, name in enumerate(image.os.packages.install):
            if name in _KERNELS or name.startswith(_KERNEL_NAMES):
                yield Mistake(
                    ("os", "packages", "install", index),
                    "format.no-kernel",
                    f"the package {name} is not used for the format {self.name}",
                    "leave it out, and the image is smaller",
                    f"{self.runs} brings the kernel",
                    severity=Severity.WARNING,
                )


def of_a_disk(image: Image, name: str, why: str) -> Iterator[Mistake]:
    """A note where an image file says something of its disk and its boot, which a format has not.
    name: of the format.
    """
    os, storage = image.os, image.storage
    said = {
        "storage": storage.disks or storage.boot_type or storage.verity or storage.filesystems,
        "os.bootloader": os.bootloader.reset_type or os.bootloader.type,
        "os.kernelCommandLine": os.kernel_command_line.extra_command_line,
        "os.uki": os.uki and os.uki.mode,
        "os.overlays": os.overlays,
    }
    if used := [key for key, given in said.items() if given]:
        yield Mistake(
            tuple(used[0].split(".")),
            "format.no-disk",
            f"{', '.join(used)}: not used for the format {name}",
            why=why,
            severity=Severity.NOTE,
        )


def of_guest(root: Archive) -> Archive:
    """A root without what its host has of its own: device nodes, which only root could make and
    which /dev of the host hides, and attributes that mean something to the host.
    """
    return without_devices(root).changed(_plain)


def without_devices(root: Archive) -> Archive:
    """A root without device nodes."""
    nodes = {entry.path for entry in root if entry.kind in DEVICES}
    nodes |= {each.path for each in root if each.kind is Kind.HARDLINK and each.target in nodes}
    kept = [index for index, entry in enumerate(root.entries) if entry.path not in nodes]
    return Archive(
        [root.entries[index] for index in kept],
        root.sources,
        [root.source_of[index] for index in kept],
    )


def _plain(entry: Entry) -> Entry:
    kept = tuple(pair for pair in entry.xattrs if not pair[0].startswith(_OF_THE_HOST))
    return entry if len(kept) == len(entry.xattrs) else replace(entry, xattrs=kept)
