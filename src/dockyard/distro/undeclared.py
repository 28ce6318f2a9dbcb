"""Which users, directories and owners the dropped scripts of imported packages would have made, and
nothing in the distribution declares: one warning per package.

Declared is what the component itself says, what the distribution's own packages bring, what any
declared file of sysusers.d, tmpfiles.d, passwd or group names, and what the upstream package has
in its payload.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dockyard.distro.dropped import Act, Did, acts
from dockyard.distro.load import LoadedDistro
from dockyard.distro.lock import PinnedImport
from dockyard.distro.paths import Globs, exact, merged
from dockyard.errors import Problem, Severity
from dockyard.host.files import LARGEST_SOURCE, read_regular
from dockyard.model.components import Component, Package
from dockyard.packages.deb.package import DebPackage, MemberKind

_SYSUSERS = "/usr/lib/sysusers.d/"
_TMPFILES = "/usr/lib/tmpfiles.d/"
_ACCOUNTS = ("/etc/passwd", "/etc/group")


def undeclared(
    loaded: LoadedDistro, imports: Iterable[tuple[PinnedImport, DebPackage]]
) -> tuple[Problem, ...]:
    """The warnings (`distro.script-dropped`) for what dropped scripts did and nothing answers."""
    whole = _declared(loaded, (*loaded.components.values(), *loaded.packages))
    ours = _declared(loaded, loaded.packages)
    found = []
    for item, deb in imports:
        did = acts(deb)
        if not did:
            continue
        said = _Said(
            item.declaration,
            whole.accounts,
            (ours, _declared(loaded, [item.declaration])),
            _Upstream(deb, item.declaration, loaded),
        )
        if left := [each for act in did for each in said.left(act)]:
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
        elif path.startswith(_SYSUSERS):
            self.accounts.update(_names(text))
        elif path.startswith(_TMPFILES):
            self.paths.update(_places(text))
            self.owned.extend(_places(text))


def _declared(loaded: LoadedDistro, items: Iterable[Component | Package]) -> _Declared:
    found = _Declared()
    for item in items:
        if isinstance(item, Package):
            found.accounts.update(_names("\n".join(item.users)))
        for file in item.files:
            found.take(file.path, _text(loaded, file.source, file.content))
        places = [file.path for file in item.files]
        places += [*(directory.path for directory in item.directories), *item.ghost]
        for path in (*places, *item.links):
            found.paths.update(_with_parents(path))
        found.owned.extend((*places, *(attribute.path for attribute in item.attributes)))
    return found


def _text(loaded: LoadedDistro, source: str | None, content: str | None) -> str:
    if content is not None or source is None:
        return content or ""
    try:
        return read_regular(loaded.directory / source, LARGEST_SOURCE).decode(errors="replace")
    except OSError:
        return ""  # the conversion tells of it


@dataclass
class _Upstream:
    """What the payload of an imported package brings, read only when it is asked for."""

    deb: DebPackage
    declaration: Component
    loaded: LoadedDistro

    @cached_property
    def _read(self) -> tuple[Mapping[str, str], set[str]]:
        """The texts below sysusers.d and tmpfiles.d, and every path that is not dropped."""
        texts, paths = dict[str, str](), set[str]()
        for entry in self.deb.entries():
            path = merged(entry.path)
            if entry.kind is MemberKind.FILE and path.startswith((_SYSUSERS, _TMPFILES)):
                texts[path] = entry.data.decode(errors="replace")
            if not self.drops(path):
                paths.update(_with_parents(path))
        return texts, paths

    @cached_property
    def _globs(self) -> tuple[Globs, Globs, Globs]:
        facts = self.loaded.distro
        return Globs(self.declaration.drop), Globs(facts.keep), Globs(facts.drop)

    def drops(self, path: str) -> bool:
        """Whether the declarations leave out what would be there."""
        here, keep, everywhere = self._globs
        return here.match(path) or (everywhere.match(path) and not keep.match(path))

    @cached_property
    def _listed(self) -> set[str]:
        """The paths of files with all above them, as md5sums has them: quick, but not whole."""
        sums = self.deb.control_members.get("md5sums", b"").decode(errors="replace")
        found = set[str]()
        for line in sums.splitlines():
            path = merged(line[34:])
            if not self.drops(path):
                found.update(_with_parents(path))
        return found

    def has(self, path: str) -> bool:
        return path in self._listed or path in self._read[1] or self.makes(path)

    def makes(self, path: str) -> bool:
        """Whether its tmpfiles.d names the path."""
        texts, paths = self._read
        return any(
            path in _places(text)
            for name, text in texts.items()
            if name in paths and name.startswith(_TMPFILES)
        )

    def makes_account(self, account: str) -> bool:
        return any(account in names for names, stays in self.sysusers("*") if stays)

    def sysusers(self, name: str) -> list[tuple[set[str], bool]]:
        """The accounts of its files of sysusers.d (name: a glob), and whether each file stays."""
        texts, paths = self._read
        fitting = exact(_SYSUSERS + name)
        return [
            (set(_names(text)), path in paths)
            for path, text in texts.items()
            if fitting.fullmatch(path)
        ]


@dataclass(frozen=True, slots=True)
class _Said:
    """What is known about the acts of one package. accounts: of the whole distribution."""

    declaration: Component
    accounts: set[str]
    declared: tuple[_Declared, ...]
    upstream: _Upstream

    def left(self, act: Act) -> list[Act]:
        """What of an act nothing answers; the accounts of a dropped file each on its own."""
        parts = [act]
        if act.did is Did.SYSUSERS and (files := self.upstream.sysusers(act.subject)):
            names = sorted({name for names, stays in files if not stays for name in names})
            parts = [replace(act, did=Did.ACCOUNT, subject=name) for name in names]
        return [part for part in parts if not self._answers(part)]

    def _answers(self, act: Act) -> bool:
        if any(exact(glob).fullmatch(act.subject) for glob in self.declaration.do_without):
            return True
        if act.did is Did.SYSUSERS:
            return act.subject == "*.conf"  # all files of the package: it has none
        if act.did is Did.ACCOUNT:
            return act.subject in self.accounts or self.upstream.makes_account(act.subject)
        path = act.subject
        if path.startswith("/"):
            path = merged(path.lstrip("/"))
            if self.upstream.drops(path):
                return True
        if any(exact(glob).fullmatch(path) for each in self.declared for glob in each.owned):
            return True
        if act.did is Did.DIRECTORY:
            return any(path in each.paths for each in self.declared) or self.upstream.has(path)
        return self.upstream.makes(path)


def _names(text: str) -> Iterable[str]:
    """The users and groups that lines of sysusers.d(5) make."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0].rstrip("!") in ("u", "g"):
            yield words[1].strip('"')


def _places(text: str) -> set[str]:
    """The paths that lines of tmpfiles.d(5) name, with every directory above them."""
    lines = (line.split() for line in text.splitlines() if line[:1] not in ("#", ""))
    return {
        place
        for words in lines
        if len(words) > 1
        for place in _with_parents(words[1].strip('"').replace("/var/run/", "/run/"))
    }


def _with_parents(path: str) -> Iterable[str]:
    while path not in ("/", ""):
        yield path
        path = posixpath.dirname(path)
