"""A menu of GRUB with entries written out, made anew for the kernels of an image.

For systems whose GRUB does not read entries of the Boot Loader Specification: Debian's, and Azure
Linux up to 3. A later grub-mkconfig(8) in the machine makes its own in place of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.disk.command_words import words_of
from dockyard.disk.grub_menu import argument
from dockyard.disk.grub_script import quoted

_TIMEOUT = re.compile(r"^[ \t]*GRUB_TIMEOUT=[\"']?(-?\d+)[\"']?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """An entry. kernel, initrd: paths as GRUB sees them, in the file system that holds them."""

    title: str
    kernel: str
    initrd: str
    command_line: str


def timeout_of(settings: str) -> int:
    """For how many seconds /etc/default/grub has the menu shown; 0 where it does not say."""
    found = _TIMEOUT.findall(settings)
    return int(found[-1]) if found else 0


def written_menu(entries: Sequence[WrittenEntry], filesystem: str, timeout: int) -> str:
    """The text of a grub.cfg, which starts the first entry. filesystem: the UUID of the file system
    that has the kernels. timeout: seconds. Raises DockyardError for words that GRUB cannot hand on.
    """
    lines = [
        "# Made when the image was. grub-mkconfig replaces it by what /etc/default/grub says.",
        "set default=0",
        f"set timeout={timeout}",
        "if [ -s $prefix/grubenv ]; then",
        "\tload_env",
        "fi",
        f"search --no-floppy --fs-uuid --set=root {filesystem}",
    ]
    for entry in entries:
        words = " ".join(argument(word) for word in words_of(entry.command_line))
        lines += [
            f"menuentry {quoted(entry.title)} {{",
            f"\tlinux {entry.kernel} {words}",
            f"\tinitrd {entry.initrd}",
            "}",
        ]
    return "".join(f"{line}\n" for line in lines)


def first_menu(filesystem: str, menu: str) -> str:
    """What leads GRUB to its menu. menu: its path in the file system of that UUID."""
    folder, _, name = menu.rpartition("/")
    return (
        f"search --no-floppy --fs-uuid --set=root {filesystem}\n"
        f"set prefix=($root){folder}\n"
        f"configfile $prefix/{name}\n"
    )
