"""Which kernel of an image has which command line, as its menus, entries and UKIs say."""

from __future__ import annotations

from dockyard.disk.boot_entries import fields_of
from dockyard.disk.boot_files import BootFiles, BootKind, joined
from dockyard.disk.grub_menu import read_menu
from dockyard.errors import DockyardError, Problem


def version_of(kernel: str, version: str, kernels: tuple[str, ...]) -> str | None:
    """Which of some kernels a file, and the version that an entry tells, stand for."""
    # The longest first: one version may be another with something behind it.
    for each in sorted(kernels, key=len, reverse=True):
        if version == each or each in kernel.split("/") or kernel.endswith(f"-{each}"):
            return each
    return None


def has_others(files: BootFiles) -> bool:
    """Whether an entry is of a kernel that is not there. Rescue entries are of none."""
    found: list[tuple[str, str]] = []
    if files.kind is BootKind.GRUB_MENU:
        for path, text in files.menus:
            found += [(entry.kernel, "") for entry in read_menu(text, path).entries]
    else:
        fields = [fields_of(text) for _, text in files.entries]
        found = [(each.kernel, each.version) for each in fields]
    return any(
        version_of(kernel, version, files.kernels) is None
        for kernel, version in found
        if "$" not in kernel and "rescue" not in kernel
    )


def command_lines_of(files: BootFiles, versions: list[str]) -> dict[str, str | None]:
    """The command line of each kernel, as it is now; None for those that have no entry."""
    found: dict[str, str | None] = dict.fromkeys(versions)
    kernels = tuple(versions)

    def note(kernel: str, version: str, line: str) -> None:
        name = version_of(kernel, version, kernels)
        # An entry whose kernel is a variable is that of all.
        for each in kernels if "$" in kernel else (name,):
            if each is not None and found[each] is None:
                found[each] = line

    for uki in files.ukis if files.kind is BootKind.UKIS else ():
        note("", uki.version or kernels[0], uki.whole_command_line)
    if files.kind is BootKind.GRUB_MENU:
        for path, text in files.menus:
            for entry in read_menu(text, path).entries:
                if "single" not in entry.words:
                    note(entry.kernel, "", joined(entry.words))
    elif files.kind is not BootKind.UKIS:
        for (_, text), line in zip(files.entries, files.command_lines, strict=True):
            fields = fields_of(text)
            note(fields.kernel, fields.version, line)
    return found


def complete(lines: dict[str, str | None]) -> dict[str, str]:
    """A command line for each kernel: those that are new get what all others have. Raises
    DockyardError where these have different ones.
    """
    found = sorted({line for line in lines.values() if line is not None})
    new = ", ".join(version for version, line in lines.items() if line is None)
    if new and len(found) != 1:
        raise DockyardError(
            Problem(
                "boot.which-command-line",
                f"it is not known which command line the kernel {new} is to have",
                why=f"other kernels have different ones: {' | '.join(found)}"
                if found
                else "no kernel of the image has one",
                fix="add `os.bootloader.resetType: hard-reset`, which makes all command lines anew",
            )
        )
    return {version: found[0] if line is None else line for version, line in lines.items()}
