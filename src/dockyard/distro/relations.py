"""Maps Debian's relations to RPM's, so that rpm decides as dpkg would.

- Versions: see `evr`.
- dpkg and rpm order some versions differently (`+`, trailing letters, `~`): every relation is tried
  in both orders on the versions that the distribution has, and told with the very version where
  they disagree.
- An unversioned Provides fits any versioned relation in rpm, and none in dpkg: where the distro has
  a versioned relation on such a name, the provide is given as version 0-0.
- Depends → Requires, Pre-Depends → Requires(pre), alternatives → rich relations. Replaces are not
  Obsoletes, and are left out, as are Breaks and versioned Conflicts: left-overs of past upgrades.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from dockyard.distro.arguments import Changes
from dockyard.distro.evr import evr_text
from dockyard.model.components import Component, Package
from dockyard.packages.deb import relations as debian
from dockyard.packages.deb import version as debian_version
from dockyard.packages.rpm import version as rpm_version
from dockyard.packages.rpm.contents import RpmRelation, Sense, parse_relation

_OPERATORS = {
    "<<": Sense.LESS,
    "<=": Sense.LESS | Sense.EQUAL,
    "=": Sense.EQUAL,
    ">=": Sense.GREATER | Sense.EQUAL,
    ">>": Sense.GREATER,
}
NO_VERSION = "0-0"


@dataclass(frozen=True, slots=True)
class Relations:
    """The relations of one RPM."""

    requires: tuple[RpmRelation, ...] = ()
    provides: tuple[RpmRelation, ...] = ()
    conflicts: tuple[RpmRelation, ...] = ()
    obsoletes: tuple[RpmRelation, ...] = ()
    recommends: tuple[RpmRelation, ...] = ()
    suggests: tuple[RpmRelation, ...] = ()
    supplements: tuple[RpmRelation, ...] = ()
    enhances: tuple[RpmRelation, ...] = ()

    def beside(self, more: Relations) -> Relations:
        """These, and more after them."""
        return Relations(
            *((*getattr(self, each.name), *getattr(more, each.name)) for each in fields(self))
        )


def declared(declaration: Component | Package) -> Relations:
    """The relations that a declaration has. Raises ValueError when one cannot be read."""
    return Relations(
        requires=(
            *_parsed(declaration.requires),
            *_parsed(declaration.requires_pre, Sense.SCRIPT_PRE),
            *_parsed(declaration.requires_post, Sense.SCRIPT_POST),
        ),
        provides=_parsed(declaration.provides),
        conflicts=_parsed(declaration.conflicts),
        obsoletes=_parsed(declaration.obsoletes),
        recommends=_parsed(declaration.recommends),
        suggests=_parsed(declaration.suggests),
        supplements=_parsed(declaration.supplements),
        enhances=_parsed(declaration.enhances),
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """A package that is imported, as far as relations need it.

    name: of the RPM. control: the fields of the Debian package.
    """

    name: str
    control: Mapping[str, str]
    changes: Changes = field(default_factory=Changes)


@dataclass(slots=True)
class _Known:
    """What the distribution has: names → Debian versions, and names with versioned relations."""

    versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    versioned: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)


class RelationMapper:
    """Maps the relations of the packages of one distribution.

    drop_requires: names that no package of the distribution requires, whatever Debian says.
    """

    def __init__(self, packages: Iterable[Imported], drop_requires: Iterable[str] = ()) -> None:
        self._known = _Known()
        self._drop = frozenset(drop_requires)
        for package in packages:
            control = package.control
            self._known.versions[control["Package"]].add(control["Version"])
            if package.name != control["Package"]:
                self._known.renamed[control["Package"]] = package.name
            for group in debian.relations(control.get("Provides", "")):
                for relation in group:
                    if relation.version:
                        self._known.versions[relation.name].add(relation.version)
            for key in ("Depends", "Pre-Depends"):
                for group in debian.relations(control.get(key, "")):
                    self._known.versioned.update(item.name for item in group if item.operator)

    def relations(self, package: Imported) -> Relations:
        """The relations of a package, without those that are declared."""
        return Relations(
            requires=tuple(self._requires(package)),
            provides=tuple(self._provides(package)),
            conflicts=tuple(self._conflicts(package)),
        )

    def unused_drops(self, package: Imported) -> list[tuple[str, str]]:
        """(key, name) of names to be left out that the package does not have."""
        control, own = package.control, package.changes
        wanted = (
            ("dropRequires", own.drop_requires, ("Depends", "Pre-Depends")),
            ("dropProvides", own.drop_provides, ("Provides",)),
            ("dropConflicts", own.drop_conflicts, ("Conflicts",)),
            ("keepConflicts", own.keep_conflicts, ("Conflicts", "Breaks")),
        )
        unused = []
        for key, names, places in wanted:
            there = {
                item.name
                for name in places
                for group in debian.relations(control.get(name, ""))
                for item in group
            }
            unused += [(key, name) for name in names if name not in there]
        return unused

    def _requires(self, package: Imported) -> Iterable[RpmRelation]:
        dropped = self._drop | set(package.changes.drop_requires)
        for key, sense in (("Depends", Sense.ANY), ("Pre-Depends", Sense.SCRIPT_PRE)):
            for group in debian.relations(package.control.get(key, "")):
                # A group that a dropped name would have satisfied without a choice goes whole.
                rest = [item for item in group if item.name not in dropped]
                if rest:
                    yield self._group(rest, sense)

    def _group(self, group: list[debian.DebRelation], sense: Sense) -> RpmRelation:
        mapped = [self._relation(item) for item in group]
        unique = list(dict.fromkeys(mapped))
        if len(unique) == 1:
            only = unique[0]
            return RpmRelation(only.name, only.sense | sense, only.version)
        return RpmRelation(f"({' or '.join(map(str, unique))})", sense)

    def _relation(self, relation: debian.DebRelation) -> RpmRelation:
        name = self._known.renamed.get(relation.name, relation.name)
        if not relation.operator:
            return RpmRelation(name)
        sense, text = _OPERATORS[relation.operator], evr_text(relation.version)
        for version in sorted(self._known.versions.get(relation.name, ())):
            wanted = debian_version.satisfies(version, relation.operator, relation.version)
            if wanted == _holds(evr_text(version), sense, text):
                continue
            text = evr_text(version)
            sense = sense | Sense.EQUAL if wanted else sense & ~Sense.EQUAL
        return RpmRelation(name, sense, text)

    def _provides(self, package: Imported) -> Iterable[RpmRelation]:
        control, revision = package.control, package.changes.revision
        if revision:
            yield RpmRelation(package.name, Sense.EQUAL, evr_text(control["Version"], revision))
        # Others that ask for upstream's very version get it from every revision of ours.
        yield RpmRelation(package.name, Sense.EQUAL, evr_text(control["Version"]))
        if package.name != control["Package"]:
            yield RpmRelation(control["Package"], Sense.EQUAL, evr_text(control["Version"]))
        for group in debian.relations(control.get("Provides", "")):
            for item in group:
                if item.name in package.changes.drop_provides:
                    continue
                if item.version:
                    yield RpmRelation(item.name, Sense.EQUAL, evr_text(item.version))
                elif item.name in self._known.versioned:
                    yield RpmRelation(item.name, Sense.EQUAL, NO_VERSION)
                else:
                    yield RpmRelation(item.name)

    def _conflicts(self, package: Imported) -> Iterable[RpmRelation]:
        own = package.changes
        for key in ("Conflicts", "Breaks"):
            for group in debian.relations(package.control.get(key, "")):
                for item in group:
                    kept = item.name in own.keep_conflicts
                    plain = key == "Conflicts" and not item.operator
                    if item.name not in own.drop_conflicts and (kept or plain):
                        yield self._relation(item)


def _holds(provided: str, sense: Sense, wanted: str) -> bool:
    order = rpm_version.compare(provided, wanted)
    needed = Sense.LESS if order < 0 else Sense.GREATER if order > 0 else Sense.EQUAL
    return bool(sense & needed)


def _parsed(texts: Iterable[str], extra: Sense = Sense.ANY) -> tuple[RpmRelation, ...]:
    return tuple(parse_relation(text, extra) for text in texts)
