"""Makes what boots: the initrd of a tree, and the UKI of kernel, initrd and command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk import efi, esp, uki
from dockyard.disk.boot_files import MODULES, kernels_in
from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.initrd.build import build_initrd
from dockyard.initrd.dracut import build_with_dracut
from dockyard.initrd.options import InitrdOptions
from dockyard.model.os_release import release_of
from dockyard.pipeline.arguments.image import MakeInitrd, MakeUki, TakeKernel
from dockyard.pipeline.arguments.names import COMMAND_LINE, INITRD, KERNEL, TOOLS
from dockyard.pipeline.found import found_words
from dockyard.pipeline.stack import merged_tree, scratch_tree
from dockyard.pipeline.steps.boot_tree import BootTree
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_initrd(work: Work, wanted: MakeInitrd) -> None:
    """Fills `initrd`."""
    out = work.out / INITRD
    with (scratch_tree if wanted.dracut else merged_tree)(work, wanted.below) as tree:
        options = InitrdOptions(
            kernel_version(tree),
            wanted.filesystems,
            wanted.modules,
            frozenset(wanted.features),
            wanted.mounts,
        )
        if wanted.dracut:
            build_with_dracut(tree, options, out)
        else:
            build_initrd(tree, options, out, wanted.epoch)


def take_kernel(work: Work, wanted: TakeKernel) -> None:
    """Fills `kernel`, for formats that have it beside the initrd."""
    with merged_tree(work, wanted.below) as tree:
        (work.out / KERNEL).write_bytes(efi.kernel(tree, kernel_version(tree)))


def make_uki(work: Work, wanted: MakeUki) -> None:
    """Fills `<name>-<kernel>.efi`, and `cmdline` with the command line as it was found out."""
    tools = trees_in(work.result(TOOLS)).main
    command_line = found_words(work.result, wanted.command_line, wanted.found)
    (work.out / COMMAND_LINE).write_text(f"{command_line}\n")
    with merged_tree(work, wanted.below) as tree:
        version = kernel_version(tree)
        content = uki.UkiContent(
            kernel=efi.kernel(tree, version),
            initrd=work.result(INITRD) / INITRD,
            command_line=command_line,
            os_release=os_release(tree),
            uname=version,
            stub=efi.stub(tree, tools, wanted.loader, wanted.architecture),
        )
        uki.build_uki(content, work.out / esp.uki_name(wanted.name, version))


def kernel_version(tree: Path) -> str:
    """The version of the one kernel in a tree. Raises DockyardError when there is none, or
    several.
    """
    with InRoot(tree) as inside:
        found = kernels_in(BootTree(tree, inside))
    if len(found) == 1:
        return found[0]
    if found:
        raise DockyardError(
            Problem(
                "build.several-kernels",
                f"the image has several kernels: {', '.join(found)}",
                fix="install one of them only",
            )
        )
    raise DockyardError(
        Problem(
            "build.no-kernel",
            "the image has no kernel",
            why=f"there are no modules of one below {MODULES}",
            fix="add the distribution's kernel package to os.packages.install",
        )
    )


def os_release(tree: Path) -> bytes:
    """The os-release file of a tree. Raises DockyardError when there is none."""
    with InRoot(tree) as inside:
        found = release_of(BootTree(tree, inside).content)
    if found is not None:
        return found
    raise DockyardError(
        Problem(
            "build.no-os-release",
            "the image has no os-release file",
            fix="add the distribution's release package to os.packages.install",
        )
    )
