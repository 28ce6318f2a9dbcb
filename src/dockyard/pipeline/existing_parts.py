"""What an image that exists must have so that the initrd can be made that its new boot needs: told
before any work, as it is of images from packages (`required`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dockyard.config import LoadedImage
from dockyard.disk.layout import DiskLayout
from dockyard.errors import Problem, Severity
from dockyard.initrd.build import requirements
from dockyard.initrd.options import InitrdFeature, InitrdOptions
from dockyard.model.os import InitrdBuilder
from dockyard.packages.access import Access
from dockyard.packages.providing import BINARIES
from dockyard.pipeline.boot_changes import BootChanges
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.existing_names import Parts, known_parts, provided_by
from dockyard.pipeline.required import VERITY, listed

if TYPE_CHECKING:
    from dockyard.pipeline.request import ImageSettings

_DRACUT = "/usr/bin/dracut"
_MKINITRAMFS = "/usr/sbin/mkinitramfs"


def missing_parts(
    loaded: LoadedImage,
    source: DiskSource,
    settings: ImageSettings,
    layout: DiskLayout,
    boot: BootChanges,
    access: Access,
) -> Iterator[Problem]:
    """A problem for what the initrd of an image is made of, and the image lacks; a warning where a
    script may bring it.
    """
    if not boot.initrd.always or not boot.makes_parts:
        return
    parts = known_parts(source, settings.settings, access)
    if parts is None:
        return
    if _by_initramfs_tools(boot, parts) and InitrdFeature.VERITY in boot.initrd.features:
        yield loaded.problem(
            _asking(loaded),
            "image.initrd-without-verity",
            "the initrds of the image are made by initramfs-tools, which sets up no dm-verity",
            why=f"it has {_MKINITRAMFS} and no dracut",
            fix="set os.initrd.builder to `dockyard`, or install dracut",
        )
        return
    wanted = _wanted(boot, layout, parts)
    lacking = {name: why for name, why in wanted.items() if not _has(parts, name)}
    if not lacking:
        return
    repositories = source.changes.repositories if source.changes else ()
    found = provided_by(lacking, repositories, source, access)
    by: dict[str, list[str]] = {}
    for name in lacking:
        by.setdefault(" or ".join(found[name].packages), []).append(name)
    packages = [name for name in by if name]
    scripts = bool(settings.post_scripts)
    fix = f"add to os.packages.install: {', '.join(packages)}" if packages else (
        "install the packages that have these files"
    )  # fmt: skip
    why = "neither the image nor a package that comes has these files"
    if scripts:
        why += "; unless a script brings them, the initrd cannot be made"
    yield Problem(
        "image.lacks-parts",
        f"the image lacks {len(lacking)} of the things that its new initrd is made of",
        loaded.position(_asking(loaded)),
        why=why,
        fix=fix,
        excerpt=tuple(
            f"{package or '?'}: {listed(names)}, for {lacking[names[0]]}"
            for package, names in by.items()
        ),
        severity=Severity.WARNING if scripts else Severity.ERROR,
    )


def _wanted(boot: BootChanges, layout: DiskLayout, parts: Parts) -> Mapping[str, str]:
    """Programs and paths, each with what it is for, by what makes the initrd."""
    builder = boot.initrd.builder
    if builder == InitrdBuilder.DRACUT or (not builder and parts.has(_DRACUT)):
        sets_up = dict.fromkeys(VERITY if layout.verity else (), "dm-verity")
        return {_DRACUT: "the initrd", **sets_up}
    if _by_initramfs_tools(boot, parts):
        return {}
    options = InitrdOptions("", boot.initrd.filesystems, features=frozenset(boot.initrd.features))
    return requirements(options)


def _by_initramfs_tools(boot: BootChanges, parts: Parts) -> bool:
    """Whether the image's own initramfs-tools make its initrds."""
    return not boot.initrd.builder and not parts.has(_DRACUT) and parts.has(_MKINITRAMFS)


def _has(parts: Parts, name: str) -> bool:
    if name.startswith("/"):
        return parts.has(name)
    return any(parts.has(f"{place}/{name}") for place in BINARIES)


def _asking(loaded: LoadedImage) -> str:
    """The key for which an initrd is made."""
    storage = loaded.image.storage
    if storage.verity:
        return "storage.verity"
    if storage.disks:
        return "storage.disks"
    if "os.initrd" in loaded.positions:
        return "os.initrd"
    return "os.overlays"
