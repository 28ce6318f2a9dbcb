"""Takes the udev rules that an initrd needs, and the programs that they run.

Programs are named in PROGRAM=, IMPORT{program}= and RUN= (udev(7)); a name without a slash is
looked up in /usr/lib/udev. The look at all devices when the initrd starts (udevadm(8), trigger) is
narrowed to those that finding a root may need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dockyard.initrd.contents import Contents
from dockyard.initrd.parts import PASSED_OVER_SUBSYSTEMS, REQUIRED_UDEV_RULES, UDEV_RULES
from dockyard.initrd.units import UNITS, settings

RULES = "/usr/lib/udev/rules.d"
DEVICE = "finding the root device"
_TRIGGER = "systemd-udev-trigger.service"

_PROGRAM = re.compile(r'(?:PROGRAM|IMPORT\{program\}|RUN(?:\{program\})?)[+:=!]*="([^"\s]+)')
_GROUP = re.compile(r'GROUP[:]?="([^"$]+)"')


def add_rules(contents: Contents, wanted: Iterable[str] = ()) -> frozenset[str]:
    """Add the rules and their programs; returns the groups that the rules give devices to. wanted:
    further rules, taken where the root has them.
    """
    groups: set[str] = set()
    for name in (*UDEV_RULES, *wanted):
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


def narrow_coldplug(contents: Contents) -> None:
    """Have the look at all devices pass over the subsystems that no root needs, by a drop-in."""
    text = contents.root.text(f"{UNITS}/{_TRIGGER}") or ""
    commands = [value for key, value in settings(text) if key == "ExecStart"]
    if not commands or not all("udevadm trigger" in command for command in commands):
        return  # a systemd that does it in another way
    over = " ".join(f"--subsystem-nomatch={name}" for name in PASSED_OVER_SUBSYSTEMS)
    lines = ["[Service]", "ExecStart=", *(f"ExecStart={command} {over}" for command in commands)]
    contents.write(f"etc/systemd/system/{_TRIGGER}.d/devices.conf", "\n".join(lines) + "\n")
