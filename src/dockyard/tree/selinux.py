"""The mode of SELinux: /etc/selinux/config, and the words of the kernel command line with it.

What systemd makes of both is in selinux(8) and its own src/core/selinux-setup.c: `SELINUX=` chooses
the mode, `SELINUXTYPE=` the policy, a directory of /etc/selinux. `enforcing=1` on the command line
wins over `permissive`, `selinux=0` over everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.os import SelinuxMode
from dockyard.tree.check import Check, Turn
from dockyard.tree.setting import Tree

CONFIG = "/etc/selinux/config"
PACKAGE = "selinux-policy"
_ON = ("security=selinux", "selinux=1")
_WORDS: Mapping[SelinuxMode, tuple[str, ...]] = {
    SelinuxMode.DISABLED: ("selinux=0",),
    SelinuxMode.PERMISSIVE: _ON,
    SelinuxMode.ENFORCING: _ON,
    SelinuxMode.FORCE_ENFORCING: (*_ON, "enforcing=1"),
}
MODE_WORDS = ("security", "selinux", "enforcing")
"""The names of all words that say something of the mode."""
_IN_CONFIG: Mapping[SelinuxMode, str] = {
    SelinuxMode.DISABLED: "disabled",
    SelinuxMode.PERMISSIVE: "permissive",
    SelinuxMode.ENFORCING: "enforcing",
    SelinuxMode.FORCE_ENFORCING: "enforcing",
}
_MODE = re.compile(r"^[ \t]*SELINUX[ \t]*=.*$", re.MULTILINE)
_TYPE = re.compile(r"^[ \t]*SELINUXTYPE[ \t]*=[ \t]*(?P<type>[^\s#]+)", re.MULTILINE)
_SECONDS = 120
_SHOWN = 20


def command_words(mode: SelinuxMode | None) -> tuple[str, ...]:
    """The words of the kernel command line of a mode; none where no mode is asked for."""
    return _WORDS[mode] if mode else ()


def policy_type(config: str) -> str:
    """The policy that a configuration names; "" for none."""
    found = _TYPE.findall(config)
    return found[-1] if found else ""


def with_mode(config: str, mode: SelinuxMode) -> str:
    """A configuration with another mode; all else stays as it is."""
    line = f"SELINUX={_IN_CONFIG[mode]}"
    if _MODE.search(config):
        return _MODE.sub(line, config)
    return f"{config}{'' if config.endswith(chr(10)) or not config else chr(10)}{line}\n"


@dataclass(frozen=True, slots=True)
class SelinuxSetting:
    """`os.selinux.mode`."""

    mode: SelinuxMode
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"selinux": str(self.mode)}

    def describe(self) -> str:
        return f"SELinux {self.mode}"

    def apply(self, tree: Tree) -> None:
        off = self.mode is SelinuxMode.DISABLED
        config = tree.files.read_text(CONFIG)
        if config or not off:
            kind = policy_type(config)
            if not off and not (kind and tree.files.names(f"/etc/selinux/{kind}/policy")):
                raise DockyardError(self._without_policy(config))
            tree.files.write(CONFIG, with_mode(config, self.mode).encode())

    def _without_policy(self, config: str) -> Problem:
        return Problem(
            "tree.no-selinux-policy",
            f"SELinux is to be {self.mode}, and the image has no policy",
            self.position,
            why=f"{CONFIG} {'names none that is there' if config else 'is missing'}",
            fix=f"install the distribution's package {PACKAGE}",
        )

    def checks(self) -> list[Check]:
        on = self.mode is not SelinuxMode.DISABLED
        mode = _IN_CONFIG[self.mode].capitalize()
        script = (
            "[ -e /sys/fs/selinux/enforce ] && { [ $(cat /sys/fs/selinux/enforce) = 1 ] && "
            "echo Enforcing || echo Permissive; } || echo Disabled"
        )
        at = self.position
        found = [Check("selinux.mode", f"SELinux is {self.mode}", script, mode, at)]
        if on:
            title = "no file is without a label that the policy knows"
            script = (
                "find / -mount -path /proc -prune -o -context '*:unlabeled_t:*' -print "
                f"2>&1 | head -n {_SHOWN}"
            )
            found.append(Check("selinux.unlabelled", title, script, "", at, _SECONDS))
            title = "files have the labels that the policy says"
            script = (
                "for place in /usr /etc /boot; do restorecon -n -v -R $place; done "
                f"| head -n {_SHOWN}"
            )
            found.append(Check("selinux.labels", title, script, "", at, _SECONDS, turn=Turn.BEFORE))
        return found
