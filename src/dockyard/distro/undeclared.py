"""Which users, directories and owners the dropped scripts of imported packages would have made, and
nothing in the distribution declares: one warning per package.

Declared is what the component itself says, what the distribution's own packages bring, what any
declared file of sysusers.d, tmpfiles.d, passwd or group names, and what the upstream package has
in its payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dockyard.distro.dropped import Act, Did
from dockyard.distro.left_out import SYSUSERS, TMPFILES, accounts, place_of, places, with_parents
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import PinnedImport
from dockyard.distro.paths import exact
from dockyard.distro.sources import read_source
from dockyard.errors import Problem, Severity
from dockyard.model.components import Component, Package

_ACCOUNTS = ("/etc/passwd", "/etc/group")


def undeclared(
    loaded: LoadedDistro, imports: Iterable[tuple[PinnedImport, Sequence[Act]]]
) -> tuple[Problem, ...]:
    """The warnings (`distro.script-dropped`) for what dropped scripts did and nothing answers.

    imports: with what the upstream package does not answer itself, see `left_out`.
    """
    whole = _declared(loaded, (*loaded.components.values(), *loaded.packages))
    ours = _declared(loaded, loaded.packages)
    found = []
    for item, acts in imports:
        if not acts:
            continue
        said = _Said(
            item.declaration, whole.accounts, (ours, _declared(loaded, [item.declaration]))
        )
        if left := [act for act in acts if not said.answers(act)]:
            found.append(_warning(loaded, item, left))
    return tuple(found)


def _warning(loaded: LoadedDistro, item: PinnedImport, left: Sequence[Act]) -> Problem:
    where = loaded.positions.get(item.component)
    file = where.file if where else str(loaded.files[0])
    kinds = {act.did for act in left}
    at = f"at {item.component} in {file}"
    fixes = []
    if kinds & {Did.ACCOUNT, Did.SYSUSERS}:
        fixes.append(
            "accounts: `users: [u NAME -]` in a package of your own, one of `packages` in "
            f"{loaded.files[0]}, which the component `requires`"
        )
    if Did.DIRECTORY in kinds:
        fixes.append(f"directories: `directories: [{{path: …, mode: …}}]` {at}")
    if Did.OWNER in kinds:
        fixes.append(f"owners: `attributes: [{{path: …, owner: …, group: …}}]` {at}")
    names = ", ".join(dict.fromkeys(_as_yaml(act.subject) for act in left))
    fixes.append(f"what is not needed: `doWithout: [{names}]` {at}")
    return Problem(
        "distro.script-dropped",
        f"{item.component}: nothing declares what the scripts of {item.pin.name} would make: "
        + ", ".join(map(str, left)),
        where,
        why="the scripts of imported packages are left out, so it may fail where it runs",
        fix="declare them:" + "".join(f"\n- {each}" for each in fixes),
        excerpt=tuple(dict.fromkeys(f"{act.script}:{act.line}: {act.text}" for act in left)),
        severity=Severity.WARNING,
    )


def _as_yaml(text: str) -> str:
    return text if re.fullmatch(r"[\w/][\w/.+-]*", text) else f'"{text}"'


@dataclass(frozen=True, slots=True)
class _Declared:
    """Accounts and paths that declarations bring. owned: paths and globs whose owner they say."""

    accounts: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    owned: list[str] = field(default_factory=list)

    def take(self, path: str, text: str) -> None:
        """Read what a file of the system says by its place and text."""
        if path in _ACCOUNTS:
            self.accounts.update(line.split(":")[0] for line in text.splitlines())
        elif path.startswith(SYSUSERS):
            self.accounts.update(accounts(text))
        elif path.startswith(TMPFILES):
            self.paths.update(places(text))
            self.owned.extend(places(text))


def _declared(loaded: LoadedDistro, items: Iterable[Component | Package]) -> _Declared:
    found = _Declared()
    for item in items:
        if isinstance(item, Package):
            found.accounts.update(accounts("\n".join(item.users)))
        for file in item.files:
            found.take(file.path, _text(loaded, file.source, file.content))
        named = [file.path for file in item.files]
        named += [*(directory.path for directory in item.directories), *item.ghost]
        for path in (*named, *item.links):
            found.paths.update(with_parents(path))
        found.owned.extend((*named, *(attribute.path for attribute in item.attributes)))
    return found


def _text(loaded: LoadedDistro, source: str | None, content: str | None) -> str:
    if content is not None or source is None:
        return content or ""
    try:
        return read_source(loaded.directory, source).decode(errors="replace")
    except OSError:
        return ""  # the conversion tells of it


@dataclass(frozen=True, slots=True)
class _Said:
    """What is declared about the acts of one package. accounts: of the whole distribution."""

    declaration: Component
    accounts: set[str]
    declared: tuple[_Declared, ...]

    def answers(self, act: Act) -> bool:
        """Whether a declaration answers for an act."""
        if any(exact(glob).fullmatch(act.subject) for glob in self.declaration.do_without):
            return True
        if act.did is Did.ACCOUNT:
            return act.subject in self.accounts
        if act.did is Did.SYSUSERS:
            return False
        path = place_of(act)
        if any(exact(glob).fullmatch(path) for each in self.declared for glob in each.owned):
            return True
        return act.did is Did.DIRECTORY and any(path in each.paths for each in self.declared)
