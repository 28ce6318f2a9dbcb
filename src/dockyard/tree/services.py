"""Services enabled or disabled, by the image's own systemctl working on its files (systemctl(1),
enable).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.process import ProcessFailed
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, told_at

UNIT_DIRECTORIES = ("/etc/systemd/system", "/usr/lib/systemd/system")
_SUFFIXES = (".service", ".socket", ".timer", ".path", ".mount", ".target", ".automount", ".swap")


@dataclass(frozen=True, slots=True)
class Service:
    """One of `os.services.enable` or `.disable`; a name without a suffix is a .service."""

    name: str
    enable: bool
    position: Position | None = None

    @property
    def unit(self) -> str:
        return self.name if self.name.endswith(_SUFFIXES) else f"{self.name}.service"

    @property
    def identity(self) -> dict[str, Any]:
        return {"service": self.unit, "enable": self.enable}

    def describe(self) -> str:
        return f"{'enable' if self.enable else 'disable'} {self.unit}"

    def apply(self, tree: Tree) -> None:
        self._require_unit(tree)
        verb = "enable" if self.enable else "disable"
        try:
            tree.run(["systemctl", "--no-reload", verb, self.unit])
        except ProcessFailed as error:
            raise told_at(
                error,
                f"{self.unit} could not be {verb}d",
                self.position,
                "see its [Install] section: a unit without one cannot be enabled",
            ) from error

    def _require_unit(self, tree: Tree) -> None:
        known = {name for directory in UNIT_DIRECTORIES for name in tree.files.names(directory)}
        if problem := self.lacking(known):
            raise DockyardError(problem)

    def lacking(self, known: Collection[str]) -> Problem | None:
        """The problem of a unit that is not among the names of an image's units."""
        template = self.unit.partition("@")[0] + "@" + self.unit[self.unit.rfind(".") :]
        if self.unit in known or ("@" in self.unit and template in known):
            return None
        # By their stems: the endings are alike in all of them.
        stems = {name.rpartition(".")[0]: name for name in sorted(known, reverse=True)}
        close = difflib.get_close_matches(self.unit.rpartition(".")[0], stems, 2, 0.8)
        near = [stems[stem] for stem in close]
        return Problem(
            "tree.no-unit",
            f"the image has no unit {self.unit}",
            self.position,
            fix=f"did you mean {' or '.join(near)}?"
            if near
            else "install the package that brings it",
        )

    def checks(self) -> list[Check]:
        expect = "enabled" if self.enable else "disabled"
        # An alias or a template's instance counts as enabled too.
        script = f"systemctl is-enabled {self.unit} | sed 's/^alias$/enabled/'"
        return [
            Check(
                f"services.{self.unit}", f"{self.unit} is {expect}", script, expect, self.position
            )
        ]
