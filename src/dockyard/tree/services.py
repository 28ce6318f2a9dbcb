"""Services enabled or disabled, by the image's own systemctl working on its files (systemctl(1),
enable).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.process import ProcessFailed
from dockyard.model.nearest import nearest
from dockyard.model.os_rules import unit_name
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree, told_at

UNIT_DIRECTORIES = ("/etc/systemd/system", "/usr/lib/systemd/system")
_INSTALLS = ("WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also", "DefaultInstance")

# A unit runs when it is active; so does one that did its work and ended, and one that its own
# conditions, or the absence of what would start it, rightly keep from running here. One that was
# started again and again does not, even if it is up at the moment.
_RUNS = """\
unit={unit}
while IFS== read -r key value; do
    case $key in
        ActiveState) state=$value ;;
        SubState) sub=$value ;;
        NRestarts) restarts=$value ;;
        Result) result=$value ;;
        ConditionResult) condition=$value ;;
        ConditionTimestampMonotonic) judged=$value ;;
        Type) type=$value ;;
        ExecMainStartTimestampMonotonic) started=$value ;;
        WantedBy | RequiredBy | UpheldBy) starters="$starters $value" ;;
        TriggeredBy) triggers=$value ;;
    esac
done <<end
$(systemctl show "$unit")
end
active() {{
    for each; do ! systemctl --quiet is-active "$each" || {{ echo "$each"; return; }}; done
}}
told="$state ($sub), $result"
if [ "${{restarts:-0}}" -gt 2 ]; then
    echo "$told, started again $restarts times"
elif [ "$state" = active ]; then
    echo runs
elif [ "$state" != inactive ]; then
    echo "$told"
elif [ "$condition" = no ] && [ "${{judged:-0}}" != 0 ]; then
    echo runs
elif [ "$type" = oneshot ] && [ "${{started:-0}}" != 0 ]; then
    [ "$result" = success ] && echo runs || echo "$told"
elif [ -n "$(active $triggers)" ]; then
    echo runs
else
    wanted=$(active $starters)
    [ -z "$wanted" ] && echo runs || echo "$told, though $wanted wants it"
fi"""


class UnitFiles(Protocol):
    """Where the files of units are read from: a tree in work, or an image."""

    def names(self, path: str, /) -> Sequence[str]:
        """The names in a directory; none where there is no such directory."""

    def read_text(self, path: str, /) -> str:
        """The text of a file; empty where there is none."""


@dataclass(frozen=True, slots=True)
class ServiceSetting:
    """One of `os.services.enable` or `.disable`; a name without a suffix is a .service."""

    name: str
    enable: bool
    position: Position | None = None

    @property
    def unit(self) -> str:
        return unit_name(self.name)

    @property
    def identity(self) -> dict[str, Any]:
        return {"service": self.unit, "enable": self.enable}

    def describe(self) -> str:
        return f"{'enable' if self.enable else 'disable'} {self.unit}"

    def apply(self, tree: Tree) -> None:
        self._require_unit(tree)
        if self.enable and not any(can_be_enabled(tree.files, name) for name in self.files):
            raise DockyardError(self.static(starters(tree.files, self.unit)))
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

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that it may be described in: an instance's own, or its template's
        (systemd.unit(5)).
        """
        if "@" not in self.unit:
            return (self.unit,)
        return self.unit, self.unit.partition("@")[0] + "@" + self.unit[self.unit.rfind(".") :]

    def _require_unit(self, tree: Tree) -> None:
        known = {name for directory in UNIT_DIRECTORIES for name in tree.files.names(directory)}
        if problem := self.lacking(known):
            raise DockyardError(problem)

    def lacking(self, known: Collection[str]) -> Problem | None:
        """The problem of a unit that is not among the names of an image's units."""
        if any(name in known for name in self.files):
            return None
        # By their stems: the endings are alike in all of them.
        stems = {name.rpartition(".")[0]: name for name in sorted(known, reverse=True)}
        close = nearest(self.unit.rpartition(".")[0], stems, 2, 0.8)
        near = [stems[stem] for stem in close]
        fix = "install the package that provides it"
        if near:
            fix = f"did you mean {' or '.join(near)}?"
        elif not self.enable:
            fix = "remove it from os.services.disable"
        what = f"the image has no unit {self.unit}"
        return Problem("tree.no-unit", what, self.position, fix=fix)

    def static(self, starters: Sequence[str]) -> Problem:
        """The problem of a unit that has nothing that says how it is enabled. starters: the units
        that start it.
        """
        return Problem(
            "tree.static-unit",
            f"{self.unit} cannot be enabled: it has no [Install] section",
            self.position,
            why=f"it is started by {', '.join(starters)}"
            if starters
            else "such a unit is started by another one, or by an event",
            fix="remove it from os.services.enable"
            if starters
            else "enable what starts it, or add a drop-in with an [Install] section",
        )

    def checks(self) -> list[Check]:
        expect = "enabled" if self.enable else "disabled"
        # An alias or a template's instance counts as enabled too.
        script = f"systemctl is-enabled {shlex.quote(self.unit)} | sed 's/^alias$/enabled/'"
        found = [self._check("", f"{self.unit} is {expect}", script, expect)]
        if self.enable:
            found.append(self._check(".runs", f"{self.unit} runs", self._runs(), "runs"))
        return found

    def _runs(self) -> str:
        return _RUNS.format(unit=shlex.quote(self.unit))

    def _check(self, part: str, title: str, script: str, expect: str) -> Check:
        return Check(f"services.{self.unit}{part}", title, script, expect, self.position)


def can_be_enabled(files: UnitFiles, name: str) -> bool:
    """Whether a unit's file or a drop-in of it has an [Install] section; systemctl says nothing
    where it has none, and does nothing.
    """
    for directory in UNIT_DIRECTORIES:
        drop_ins = f"{directory}/{name}.d"
        paths = [f"{drop_ins}/{each}" for each in files.names(drop_ins)]
        if any(_has_install(files.read_text(path)) for path in (f"{directory}/{name}", *paths)):
            return True
    return False


def starters(files: UnitFiles, unit: str) -> list[str]:
    """The units that start a unit by a directory of theirs (systemd.unit(5)), sorted."""
    return sorted({by for by, started in all_starters(files) if started == unit})


def all_starters(files: UnitFiles) -> Iterator[tuple[str, str]]:
    """Units with those that they start by their directories."""
    for directory in UNIT_DIRECTORIES:
        for folder in files.names(directory):
            if folder.endswith((".wants", ".requires")):
                for started in files.names(f"{directory}/{folder}"):
                    yield folder.rpartition(".")[0], started


def _has_install(unit: str) -> bool:
    """Whether the text of a unit says how it is enabled."""
    section = ""
    for line in unit.splitlines():
        key, equals, value = line.strip().partition("=")
        if line.startswith("["):
            section = line.strip()
        elif section == "[Install]" and equals and key.strip() in _INSTALLS and value.strip():
            return True
    return False
