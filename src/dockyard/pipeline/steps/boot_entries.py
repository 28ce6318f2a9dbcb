"""Changes menus, entries and UKIs of an image that exists, with what steps found before: the last
layer of its tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dockyard.disk.boot_entries import Fields, changed_entry, entry_text, fields_of, names_options
from dockyard.disk.boot_files import KERNELS, MENUS, BootFiles, BootKind, boot_files
from dockyard.disk.command_words import CommandLineChange, words_of
from dockyard.disk.grub import first_settings
from dockyard.disk.grub_environment import variables_of, with_variables
from dockyard.disk.grub_menu import KERNEL_OPTIONS, argument, changed_menu, read_menu, variable_word
from dockyard.disk.grub_reset import WrittenEntry, entries_menu, timeout_of, written_menu
from dockyard.disk.grub_settings import SETTINGS
from dockyard.filesystems.kernels import version as version_number
from dockyard.host.in_root import InRoot
from dockyard.model.os_release import release_of, variables
from dockyard.pipeline.arguments.boot import BootWork, ChangeEntries
from dockyard.pipeline.arguments.names import COMMAND_LINE
from dockyard.pipeline.layer import whole_files
from dockyard.pipeline.steps.boot_lines import (
    command_lines_of,
    complete,
    has_others,
    version_of,
)
from dockyard.pipeline.steps.boot_parts import LINES, bootable
from dockyard.pipeline.steps.boot_settings import initrd_place
from dockyard.pipeline.steps.boot_tree import BootTree
from dockyard.pipeline.steps.boot_ukis import change_addons, guard_ukis, make_ukis, needs_follow

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def change_entries(work: Work, wanted: ChangeEntries) -> None:
    """Fills `upper/`, the layer, and `cmdline` with the words that were put in."""
    found = [(name, (work.result(each.step) / each.file).read_text().strip())
             for name, each in wanted.found.items()]  # fmt: skip
    change = wanted.change.filled(found)
    (work.out / COMMAND_LINE).write_text("".join(f"{word}\n" for word in change.added))
    with whole_files(work, wanted.below, wanted.epoch) as at, InRoot(at) as inside:
        tree = BootTree(at, inside)
        files = boot_files(tree)
        match wanted.work:
            case BootWork.EDIT:
                _edit(tree, files, change, wanted)
            case BootWork.RESET:
                lines = dict.fromkeys(bootable(tree, files), " ".join(change.added))
                _make_anew(tree, files, lines, wanted)
            case BootWork.BIOS:
                lines = dict.fromkeys(bootable(tree, files), " ".join(change.added))
                tree.replace(wanted.menu, _menu(tree, lines, wanted))
            case BootWork.FOLLOW if not needs_follow(files):
                pass
            case BootWork.UKIS | BootWork.FOLLOW:
                make_ukis(work, tree, files, _lines_of_ukis(work, change, wanted), wanted)
            case BootWork.ADDONS:
                change_addons(work, tree, files, change, wanted)
                guard_ukis(tree, files)
            case _:
                guard_ukis(tree, files)


def _lines_of_ukis(work: Work, change: CommandLineChange, wanted: ChangeEntries) -> dict[str, str]:
    """The command line of each UKI that is made."""
    parts = work.result(wanted.parts)
    if wanted.fresh:
        versions = sorted(each.name for each in parts.iterdir() if each.is_dir())
        return dict.fromkeys(versions, " ".join(change.added))
    told: dict[str, str | None] = json.loads((parts / LINES).read_text())
    return {
        version: " ".join(change.applied(words_of(line)))
        for version, line in complete(told).items()
    }


# ------------------------------------------------------------------------------ entries that exist


def _edit(
    tree: BootTree, files: BootFiles, change: CommandLineChange, wanted: ChangeEntries
) -> None:
    if change:
        _edit_menus(tree, files, change)
        _edit_entries(tree, files, change)
        files = boot_files(tree)
    if not wanted.new_kernels:
        return
    lines = command_lines_of(files, bootable(tree, files))
    if has_others(files) or None in lines.values():
        # Packages brought or removed kernels: each is to be in the menu, and nothing else.
        _make_anew(tree, files, complete(lines), wanted)


def _edit_menus(tree: BootTree, files: BootFiles, change: CommandLineChange) -> None:
    for path, text in files.menus:
        changed = changed_menu(text, change, path)
        if changed != text:
            tree.replace(path, changed)


def _edit_entries(tree: BootTree, files: BootFiles, change: CommandLineChange) -> None:
    by_grub = files.kind is BootKind.GRUB_ENTRIES
    named = any(names_options(text) for _, text in files.entries)
    defined = any(read_menu(text, path).options is not None for path, text in files.menus)
    for path in files.environments if by_grub or files.kind is BootKind.GRUB_MENU else ():
        block = tree.text(path)
        options = variables_of(block).get(KERNEL_OPTIONS)
        if options is None:
            continue
        added = tuple(variable_word(word) for word in change.added) if named else ()
        # A menu has its own words behind the variable, which then win.
        own = CommandLineChange(change.removed, added, change.ids)
        value = " ".join(own.applied(options.split()))
        tree.replace(path, with_variables(block, {KERNEL_OPTIONS: value}, path))
        defined = True
    if files.kind not in (BootKind.GRUB_ENTRIES, BootKind.ENTRIES):
        return
    for path, text in files.entries:
        elsewhere = by_grub and defined and names_options(text)
        own = CommandLineChange(change.removed, (), change.ids) if elsewhere else change
        tree.replace(path, changed_entry(text, own, by_grub=by_grub))


# ------------------------------------------------------------------------------ made anew


def _make_anew(
    tree: BootTree, files: BootFiles, lines: dict[str, str], wanted: ChangeEntries
) -> None:
    """Write menu and entries for all kernels. lines: command lines by version."""
    timeout = timeout_of(tree.text(SETTINGS))
    if files.kind in (BootKind.GRUB_ENTRIES, BootKind.ENTRIES):
        ordered = {each: lines[each] for each in _newest_first(lines)}
        _write_entries(tree, files, ordered, _title(tree), wanted)
        if wanted.work is BootWork.RESET and files.kind is BootKind.GRUB_ENTRIES:
            for path, old in files.menus:
                if read_menu(old, path).uses_entries:
                    tree.replace(path, entries_menu(old, wanted.place, timeout, path))
            _lead_to_menus(tree, files, wanted)
        return
    text = _menu(tree, lines, wanted)
    for path, old in files.menus:
        if read_menu(old, path).entries:
            tree.replace(path, text)
    if wanted.work is BootWork.RESET:
        _lead_to_menus(tree, files, wanted)


def _menu(tree: BootTree, lines: dict[str, str], wanted: ChangeEntries) -> str:
    """A menu with an entry for each kernel. lines: command lines by version."""
    prefix, title = wanted.place.path, _title(tree)
    entries = [
        WrittenEntry(
            f"{title}, with Linux {version}",
            f"{prefix}/vmlinuz-{version}",
            f"{prefix}/{initrd_place(tree, version, wanted.initrd).rpartition('/')[2]}",
            lines[version],
        )
        for version in _newest_first(lines)
    ]
    return written_menu(entries, wanted.place.filesystem, timeout_of(tree.text(SETTINGS)))


def _newest_first(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=lambda each: (version_number(each), each), reverse=True)


def _title(tree: BootTree) -> str:
    release = variables((release_of(tree.content) or b"").decode(errors="surrogateescape"))
    return release.get("PRETTY_NAME") or release.get("ID", "Linux")


def _lead_to_menus(tree: BootTree, files: BootFiles, wanted: ChangeEntries) -> None:
    """Have what is on the EFI system partition lead to the menu again, wherever /boot is now."""
    menus = [path for path, _ in files.menus if path.rpartition("/")[0] in MENUS]
    for path, text in files.menus:
        menu = read_menu(text, path)
        leads = not menu.entries and not menu.uses_entries
        if menus and leads and files.esp and path.startswith(f"{files.esp}/"):
            tree.replace(path, first_settings(wanted.place, menus[0]))


def _write_entries(
    tree: BootTree, files: BootFiles, lines: dict[str, str], title: str, wanted: ChangeEntries
) -> None:
    """An entry for each kernel, and none for others; those that exist keep all but their words."""
    by_grub = files.kind is BootKind.GRUB_ENTRIES
    place = files.entries[0][0].rpartition("/")[0]
    owner = files.entries[0][0].rpartition("/")[2].partition("-")[0]
    left = dict(lines)
    for path, text in files.entries:
        fields = fields_of(text)
        version = version_of(fields.kernel, fields.version, files.kernels)
        line = left.pop(version, None) if version else None
        if line is not None:
            options = _options(line, by_grub=by_grub)
            tree.replace(path, entry_text_with(text, options))
        elif "rescue" not in fields.kernel:
            tree.remove(path)
    root = place.partition("/loader/")[0]
    prefix = wanted.place.path if root == "/boot" else ""
    for version, line in left.items():
        kernel, initrd = KERNELS[1].format(version), initrd_place(tree, version, wanted.initrd)
        if root != "/boot":
            for at in (kernel, initrd):
                tree.replace(f"{root}/{at.rpartition('/')[2]}", tree.content(at) or b"")
        fields = Fields(
            f"{title} ({version})",
            version,
            f"{prefix}/{kernel.rpartition('/')[2]}",
            (f"{prefix}/{initrd.rpartition('/')[2]}",),
            _options(line, by_grub=by_grub),
        )
        tree.replace(f"{place}/{owner}-{version}.conf", entry_text(fields))


def _options(line: str, *, by_grub: bool) -> str:
    return " ".join(argument(word) if by_grub else word for word in words_of(line))


def entry_text_with(text: str, options: str) -> str:
    """An entry with these options in place of its own."""
    kept = [line for line in text.splitlines() if line.split(maxsplit=1)[:1] != ["options"]]
    return "".join(f"{line}\n" for line in [*kept, f"options {options}"])
