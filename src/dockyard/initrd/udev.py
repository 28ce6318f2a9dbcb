"""Takes the udev rules that an initrd needs, and the programs that they run.

Programs are named in PROGRAM=, IMPORT{program}= and RUN= (udev(7)); a name without a slash is
looked up in /usr/lib/udev.
"""

from __future__ import annotations

import re

from dockyard.initrd.contents import Contents
from dockyard.initrd.parts import REQUIRED_UDEV_RULES, UDEV_RULES

RULES = "/usr/lib/udev/rules.d"
DEVICE = "finding the root device"

_PROGRAM = re.compile(r'(?:PROGRAM|IMPORT\{program\}|RUN(?:\{program\})?)[+:=!]*="([^"\s]+)')
_GROUP = re.compile(r'GROUP[:]?="([^"$]+)"')


def add_rules(contents: Contents) -> frozenset[str]:
    """Add the rules and their programs; returns the groups that the rules give devices to."""
    groups: set[str] = set()
    for name in UDEV_RULES:
        if not contents.add(f"{RULES}/{name}"):
            if name in REQUIRED_UDEV_RULES:
                contents.lacks(f"{RULES}/{name}", DEVICE)
            continue
        text = contents.root.text(f"{RULES}/{name}") or ""
        for program in _PROGRAM.findall(text):
            path = program if program.startswith("/") else f"/usr/lib/udev/{program}"
            contents.add(path)  # a rule for hardware whose program is not installed stays idle
        groups.update(_GROUP.findall(text))
    return frozenset(groups)
