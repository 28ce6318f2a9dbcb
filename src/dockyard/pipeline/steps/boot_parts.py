"""Takes what an image that exists boots out of its tree: kernels, and initrds, or makes those anew.

Kernels are those that the tree has, and where a UKI is all that has one, that of the UKI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.boot_entries import fields_of
from dockyard.disk.boot_files import INITRDS, KERNELS, BootFiles, FoundUki, boot_files
from dockyard.disk.pe import Program
from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.host.sandbox import run_in_tree
from dockyard.initrd.build import build_initrd
from dockyard.initrd.dracut import build_with_dracut
from dockyard.initrd.options import InitrdOptions
from dockyard.model.os import InitrdBuilder
from dockyard.pipeline.arguments.boot import InitrdWish, TakeBootParts
from dockyard.pipeline.arguments.names import INITRD, KERNEL
from dockyard.pipeline.stack import merged_tree, scratch_tree
from dockyard.pipeline.steps.boot_lines import command_lines_of, version_of
from dockyard.pipeline.steps.boot_tree import BootTree

if TYPE_CHECKING:
    from dockyard.engine.work import Work

LINES = "command-lines.json"
_DRACUT = "/usr/bin/dracut"
_MKINITRAMFS = "/usr/sbin/mkinitramfs"


def take_boot_parts(work: Work, wanted: TakeBootParts) -> None:
    """Fills `<version>/kernel` and `<version>/initrd`: all, or those that the tree lacks; and
    `command-lines.json`, the command line of each version, null for those without an entry.
    """
    makes: list[str] = []
    with merged_tree(work, wanted.below) as at, InRoot(at) as inside:
        tree = BootTree(at, inside)
        files = boot_files(tree)
        versions = bootable(tree, files)
        (work.out / LINES).write_text(json.dumps(command_lines_of(files, versions)))
        for version in versions:
            out = work.out / version
            out.mkdir()
            if wanted.whole or not tree.is_there(KERNELS[1].format(version)):
                (out / KERNEL).write_bytes(kernel_of(tree, files, version) or b"")
            initrd = initrd_of(tree, files, version)
            if wanted.initrd.always or initrd is None:
                makes.append(version)
            elif wanted.whole:
                (out / INITRD).write_bytes(initrd)
        builder = wanted.initrd.builder or _own_builder(tree)
        if builder == InitrdBuilder.DOCKYARD:
            for version in makes:
                work.progress(f"putting the initrd of {version} together")
                options = _options(wanted.initrd, version)
                build_initrd(at, options, work.out / version / INITRD, wanted.epoch)
            makes = []
    for version in makes:
        work.progress(f"letting {builder} make the initrd of {version}")
        with scratch_tree(work, wanted.below) as at:
            _made_by(builder, at, _options(wanted.initrd, version), work.out / version / INITRD,
                     wanted.epoch)  # fmt: skip


def bootable(tree: BootTree, files: BootFiles) -> list[str]:
    """The kernels that can be booted, by their versions. Raises DockyardError without any."""
    found = [each for each in files.kernels if kernel_of(tree, files, each) is not None]
    if not found:
        raise DockyardError(
            Problem(
                "boot.no-kernel",
                "the image has no kernel that it could boot",
                why=f"it has modules of: {', '.join(files.kernels) or 'none'}",
                fix="add the distribution's kernel package to os.packages.install",
            )
        )
    return found


def kernel_of(tree: BootTree, files: BootFiles, version: str) -> bytes | None:
    """The kernel of a version, wherever it is."""
    for place in KERNELS:
        if (content := tree.content(place.format(version))) is not None:
            return content
    for path in _of_entries(files, version, initrd=False):
        if (content := tree.content(path)) is not None:
            return content
    return _section(tree, files, version, ".linux")


def initrd_of(tree: BootTree, files: BootFiles, version: str) -> bytes | None:
    """The initrd of a version, wherever it is."""
    # A UKI has the one that was booted; what is in /boot beside it may be older.
    if (content := _section(tree, files, version, ".initrd")) is not None:
        return content
    for place in INITRDS:
        if (content := tree.content(place.format(version))) is not None:
            return content
    paths = list(_of_entries(files, version, initrd=True))
    parts = [content for path in paths if (content := tree.content(path)) is not None]
    return b"".join(parts) or None


def _of_entries(files: BootFiles, version: str, *, initrd: bool) -> Iterator[str]:
    """Where boot entries of a version say that something is."""
    for path, text in files.entries:
        fields = fields_of(text)
        if version_of(fields.kernel, fields.version, files.kernels) == version:
            for each in fields.initrds if initrd else (fields.kernel,):
                for root in (path.partition("/loader/")[0], ""):
                    yield f"{root}/{each.lstrip('/')}"


def uki_of(files: BootFiles, version: str) -> FoundUki | None:
    """The UKI of a version."""
    found = [uki for uki in files.ukis if uki.version == version]
    if not found and len(files.ukis) == len(files.kernels) == 1 and not files.ukis[0].version:
        return files.ukis[0]
    return found[0] if found else None


def _section(tree: BootTree, files: BootFiles, version: str, name: str) -> bytes | None:
    uki = uki_of(files, version)
    content = tree.content(uki.path) if uki else None
    return None if content is None else Program(content, version).exact(name)


def _own_builder(tree: BootTree) -> str:
    """What makes the initrds of an image in its own machine."""
    if tree.content(_DRACUT) is not None:
        return InitrdBuilder.DRACUT
    return "initramfs-tools" if tree.content(_MKINITRAMFS) is not None else InitrdBuilder.DOCKYARD


def _options(wish: InitrdWish, version: str) -> InitrdOptions:
    features = frozenset(wish.features)
    return InitrdOptions(version, wish.filesystems, wish.modules, features, wish.mounts)


def _made_by(builder: str, tree: Path, options: InitrdOptions, out: Path, epoch: int) -> None:
    if builder == InitrdBuilder.DRACUT:
        build_with_dracut(tree, options, out)
        return
    # The sandbox has a /tmp of its own: nothing is left in the tree.
    modules = "\n".join(options.modules)
    script = (
        'printf "%s\\n" "$2" >> /etc/initramfs-tools/modules && '
        f'{_MKINITRAMFS} -o /tmp/initrd "$1" >&2 && cat /tmp/initrd'
    )
    env = {"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": "/tmp"}
    with out.open("wb") as file:
        run_in_tree(tree, ["/bin/sh", "-c", script, "sh", options.kernel, modules],
                    stdout=file, env=env)  # fmt: skip
