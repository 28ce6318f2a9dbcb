"""Steps that make an image boot: its initrd, and the UKI of kernel, initrd and command line."""

from __future__ import annotations

from pathlib import Path

from dockyard.disk import efi, esp, uki
from dockyard.engine.plan import Step, Work
from dockyard.errors import DockyardError, Problem
from dockyard.host.in_root import InRoot
from dockyard.initrd import InitrdOptions, build_initrd
from dockyard.initrd.dracut import build_with_dracut
from dockyard.model.os import Initrd, InitrdBuilder
from dockyard.pipeline.layers import merged_tree, scratch_tree
from dockyard.pipeline.toolbox import Toolbox

INITRD = "initrd"
MODULES = "/usr/lib/modules"


def initrd_step(
    wanted: Initrd, below: tuple[Step, ...], filesystems: tuple[str, ...], epoch: int
) -> Step:
    """The step that makes the initrd of a tree.

    below: the packages step and the layers that shape it. filesystems: kinds that it mounts.
    """
    by_dracut = wanted.builder is InitrdBuilder.DRACUT

    def work(work: Work) -> None:
        out = work.out / INITRD
        with (scratch_tree if by_dracut else merged_tree)(work, below) as tree:
            options = InitrdOptions(kernel_version(tree), filesystems, wanted.modules)
            if by_dracut:
                build_with_dracut(tree, options, out)
            else:
                build_initrd(tree, options, out, epoch)

    identity = {
        "filesystems": list(filesystems),
        "builder": wanted.builder.value,
        "modules": list(wanted.modules),
        "epoch": epoch,
    }
    maker = "Let dracut make" if by_dracut else "Put together"
    title = f"{maker} the initrd, for {', '.join(filesystems)}"
    return Step("initrd", title, identity, below, work)


def uki_step(
    name: str,
    command_line: str,
    architecture: str,
    initrd: Step,
    below: tuple[Step, ...],
    toolbox: Toolbox,
    epoch: int,
) -> Step:
    """The step that joins kernel, initrd and command line into one EFI program."""

    def work(work: Work) -> None:
        tools = toolbox.trees.main
        with merged_tree(work, below) as tree:
            version = kernel_version(tree)
            content = uki.UkiContent(
                kernel=efi.kernel(tree, version),
                initrd=work.result(initrd) / INITRD,
                command_line=command_line,
                os_release=_os_release(tree),
                uname=version,
                stub=efi.stub(tree, tools, architecture),
            )
            uki.build_uki(tools, content, work.out / esp.uki_name(name, version), epoch)

    identity = {"commandLine": command_line.split(" "), "name": name, "epoch": epoch}
    details = (f"kernel command line: {command_line}",)
    inputs = (toolbox.step, initrd, *below)
    return Step("uki", "Join kernel and initrd into a UKI", identity, inputs, work, details)


def kernel_version(tree: Path) -> str:
    """The version of the one kernel in a tree. Raises DockyardError when there is none, or
    several.
    """
    with InRoot(tree) as inside:
        found = [name for name in inside.names(MODULES) if inside.names(f"{MODULES}/{name}")]
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


def _os_release(tree: Path) -> bytes:
    with InRoot(tree) as inside:
        for path in ("/etc/os-release", "/usr/lib/os-release"):
            try:
                return inside.read(path)
            except OSError:
                continue
    raise DockyardError(
        Problem(
            "build.no-os-release",
            "the image has no os-release file",
            fix="add the distribution's release package to os.packages.install",
        )
    )
