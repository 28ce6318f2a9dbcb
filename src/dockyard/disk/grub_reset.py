"""The menu of GRUB made anew for the kernels of an image.

With entries written out for systems whose GRUB does not read those of the Boot Loader
Specification: Debian's, and Azure Linux up to 3. A later grub-mkconfig(8) in the machine makes its
own in place of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.disk.command_words import words_of
from dockyard.disk.grub import BootPlace
from dockyard.disk.grub_menu import ENTRIES, argument
from dockyard.disk.grub_script import commands_of, quoted, tokens_of, value_of

_TIMEOUT = re.compile(r"^[ \t]*GRUB_TIMEOUT=[\"']?(-?[0-9]{1,9})[\"']?[ \t]*$", re.MULTILINE)


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
    lines = _beginning(filesystem, timeout)
    for entry in entries:
        words = " ".join(argument(word) for word in words_of(entry.command_line))
        lines += [
            f"menuentry {quoted(entry.title)} {{",
            f"\tlinux {entry.kernel} {words}",
            f"\tinitrd {entry.initrd}",
            "}",
        ]
    return "".join(f"{line}\n" for line in lines)


def entries_menu(old: str, place: BootPlace, timeout: int, name: str) -> str:
    """The text of a grub.cfg that shows entries of the Boot Loader Specification.

    old: the one before, which tells how its GRUB does that: upstream's has a module for it and is
    told the path, that of Fedora and its kin finds the path itself. timeout: seconds. name: what
    errors call the old one.
    """
    tokens = tokens_of(old, name)
    commands = [
        [value_of(tokens[at].text) for at in command.words] for command in commands_of(tokens)
    ]
    modules = [words[1] for words in commands if words[0] == "insmod" and "bls" in words[-1]]
    with_path = any(words[0] == ENTRIES and "--path" in words for words in commands)
    shown = f"{ENTRIES} --path {place.path}/loader/entries" if with_path else ENTRIES
    lines = [
        *_beginning(place.filesystem, timeout),
        "set boot=$root",
        *(f"insmod {module}" for module in dict.fromkeys(modules)),
        shown,
    ]
    return "".join(f"{line}\n" for line in lines)


def _beginning(filesystem: str, timeout: int) -> list[str]:
    return [
        "# Made when the image was. grub-mkconfig replaces it by what /etc/default/grub says.",
        "set default=0",
        f"set timeout={timeout}",
        "if [ -s $prefix/grubenv ]; then",
        "\tload_env",
        "fi",
        f"search --no-floppy --fs-uuid --set=root {filesystem}",
    ]
