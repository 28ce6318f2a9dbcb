"""Makes UKIs of the kernels of an image that exists, or changes the addons of those that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.disk import efi, esp
from dockyard.disk.boot_files import UKIS, BootFiles, BootKind
from dockyard.disk.command_words import CommandLineChange, words_of
from dockyard.disk.uki import UkiContent, addon_folder, addon_name, build_addon, build_uki
from dockyard.errors import DockyardError, Problem
from dockyard.model.os_release import release_of
from dockyard.pipeline.arguments.boot import ChangeEntries
from dockyard.pipeline.arguments.names import INITRD, KERNEL, TOOLS
from dockyard.pipeline.steps.boot_parts import uki_of
from dockyard.pipeline.steps.boot_tree import BootTree
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_ukis(
    work: Work,
    tree: BootTree,
    files: BootFiles,
    lines: dict[str, str],
    wanted: ChangeEntries,
) -> None:
    """Put a UKI for each kernel on the EFI system partition, in place of all that are there.

    lines: command lines by version.
    """
    tools = trees_in(work.result(TOOLS)).main
    parts = work.result(wanted.parts)
    release = release_of(tree.content) or b""
    stub = efi.stub(tree.at, tools, wanted.loader, wanted.architecture)
    made = {}
    for version, line in lines.items():
        content = UkiContent(
            kernel=(parts / version / KERNEL).read_bytes(),
            initrd=parts / version / INITRD,
            command_line=line,
            os_release=release,
            uname=version,
            stub=stub,
        )
        old = uki_of(files, version)
        name = old.path.rpartition("/")[2] if old else f"vmlinuz-{version}.efi"
        made[name] = work.out / name
        build_uki(content, made[name])
    for uki in files.ukis:
        _remove_uki(tree, uki.path, [path for path, _ in uki.addons])
    for name, path in made.items():
        tree.replace(f"{files.esp}/{UKIS}/{name}", path)
    if files.kind is not BootKind.UKIS or wanted.fresh:
        loader = esp.esp_content(tree.at, tools, {}, wanted.loader, wanted.architecture)
        for place, data in loader.items():
            tree.replace(f"{files.esp}/{place}", data)
    for path in made.values():
        path.unlink()


def _remove_uki(tree: BootTree, path: str, addons: list[str]) -> None:
    """Remove a UKI, and the addons whose words its command line has got."""
    tree.remove(path)
    for addon in addons:
        tree.remove(addon)
    folder = addon_folder(path)
    if tree.is_there(folder) and not tree.names(folder):
        tree.remove(folder)


def change_addons(
    work: Work, tree: BootTree, files: BootFiles, change: CommandLineChange, wanted: ChangeEntries
) -> None:
    """Change the words of every UKI in addons alone: what is sealed in the UKI stays, and words of
    addons come behind it.
    """
    tools = trees_in(work.result(TOOLS)).main
    stub = efi.addon_stub(tree.at, tools, wanted.loader, wanted.architecture)
    for uki in files.ukis:
        texts = dict(uki.addons) or {addon_name(uki.path): ""}
        last = list(texts)[-1]
        for path, text in texts.items():
            added = change.added if path == last else ()
            own = CommandLineChange(change.removed, added, change.ids)
            new = " ".join(own.applied(words_of(text)))
            if new != text:
                made = work.out / "addon"
                build_addon(new, stub, made)
                tree.replace(path, made)
                made.unlink()


def needs_follow(files: BootFiles) -> bool:
    """Whether the kernels are others than those of the UKIs. Raises DockyardError where UKIs are
    signed, and would have to be made anew.
    """
    if {uki.version for uki in files.ukis} == set(files.kernels):
        return False
    signed = [uki.path for uki in files.ukis if uki.is_signed]
    if signed:
        raise DockyardError(
            Problem(
                "boot.signed-uki",
                "packages brought another kernel, and the UKIs of the image are signed",
                why=f"making UKIs anew would take the signature from {', '.join(signed)}",
                fix="say `os.uki.mode: create` and sign what is made, or leave the kernel as it is",
            )
        )
    return True


def guard_ukis(tree: BootTree, files: BootFiles) -> None:
    """Raises DockyardError where the kernels are not those of the UKIs, which stay."""
    told = {uki.version for uki in files.ukis if uki.version}
    if not told or told == set(files.kernels):
        return
    raise DockyardError(
        Problem(
            "boot.kernel-changed",
            "the kernels of the image are not those of its UKIs any more",
            why=f"it has modules of {', '.join(files.kernels) or 'none'}, "
            f"and UKIs of {', '.join(sorted(told))}",
            fix="set `os.uki.mode: create`, or leave the kernel's packages as they are",
        )
    )
