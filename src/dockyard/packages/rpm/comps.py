"""comps.xml: groups of packages, and environments of groups, as a repository offers them.

An item of a request that starts with `@` names a group by its id, `@^` an environment. A group has
mandatory, default and optional packages, and conditional ones, which come where what they name
comes; an environment has groups, and optional groups. Taken are the mandatory and the default ones
unless the item ends in ` --optional` (also the optional) or ` --nodefaults` (the mandatory alone),
as kickstart files have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

_OPTIONAL, _NO_DEFAULTS = "--optional", "--nodefaults"


class MalformedComps(ValueError):
    """The bytes are no comps.xml."""


@dataclass(frozen=True, slots=True)
class Group:
    """Names of packages by what a group says of them. conditional: what brings it → the package."""

    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    conditional: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Group) -> Group:
        return Group(
            tuple(dict.fromkeys(self.mandatory + other.mandatory)),
            tuple(dict.fromkeys(self.default + other.default)),
            tuple(dict.fromkeys(self.optional + other.optional)),
            tuple(dict.fromkeys(self.conditional + other.conditional)),
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """Ids of the groups of an environment."""

    groups: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comps:
    """What one repository, or several together, say of groups and environments, by id."""

    groups: dict[str, Group] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)

    @property
    def items(self) -> list[str]:
        """What a request may name."""
        return [*(f"@{id}" for id in sorted(self.groups)),
                *(f"@^{id}" for id in sorted(self.environments))]  # fmt: skip

    def members(self, item: str) -> Group | None:
        """The packages that an item stands for, the optional ones left out or taken as it says;
        None where nothing has its id.
        """
        name, _, choice = item.partition(" ")
        if not name.startswith("@^"):
            found = self.groups.get(name[1:])
            return _chosen(found, choice) if found else None
        environment = self.environments.get(name[2:])
        if environment is None:
            return None
        ids = environment.groups + (environment.optional if choice == _OPTIONAL else ())
        groups = (_chosen(self.groups.get(id, Group()), choice) for id in ids)
        return sum(groups, Group())


NONE = Comps()


def is_group(item: str) -> bool:
    """Whether an item of a request names a group or an environment."""
    return item.startswith("@")


def choice_of(item: str) -> str:
    """What stands after the id of a group."""
    return item.partition(" ")[2]


CHOICES: Sequence[str] = ("", _OPTIONAL, _NO_DEFAULTS)
"""What may stand there."""


def together(found: Iterable[Comps]) -> Comps:
    """What several repositories say: groups of the same id are one."""
    groups: dict[str, Group] = {}
    environments: dict[str, Environment] = {}
    for each in found:
        for id, group in each.groups.items():
            groups[id] = groups.get(id, Group()) + group
        for id, environment in each.environments.items():
            known = environments.get(id, Environment())
            environments[id] = Environment(
                tuple(dict.fromkeys(known.groups + environment.groups)),
                tuple(dict.fromkeys(known.optional + environment.optional)),
            )
    return Comps(groups, environments)


def parse(data: bytes) -> Comps:
    """Read comps.xml. Raises MalformedComps."""
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise MalformedComps(f"it is not well-formed XML: {error}") from error
    if root.tag != "comps":
        raise MalformedComps(f"its root element is {root.tag!r}, not comps")
    groups = {id: _group(each) for each in root.iterfind("group") if (id := _id(each))}
    environments = {
        id: Environment(
            _texts(each.iterfind("grouplist/groupid")), _texts(each.iterfind("optionlist/groupid"))
        )
        for each in root.iterfind("environment")
        if (id := _id(each))
    }
    return Comps(groups, environments)


def _chosen(group: Group, choice: str) -> Group:
    if choice == _NO_DEFAULTS:
        return Group(group.mandatory)
    optional = group.optional if choice == _OPTIONAL else ()
    return Group(group.mandatory, group.default, optional, group.conditional)


def _group(element: ElementTree.Element) -> Group:
    found: dict[str, list[str]] = {}
    conditional = []
    for each in element.iterfind("packagelist/packagereq"):
        name, kind = (each.text or "").strip(), each.get("type", "mandatory")
        if name and kind == "conditional":
            conditional.append((each.get("requires", ""), name))
        elif name:
            found.setdefault(kind, []).append(name)
    mandatory, default, optional = (
        tuple(found.get(kind, ())) for kind in ("mandatory", "default", "optional")
    )
    return Group(mandatory, default, optional, tuple(conditional))


def _id(element: ElementTree.Element) -> str:
    return (element.findtext("id") or "").strip()


def _texts(elements: Iterable[ElementTree.Element]) -> tuple[str, ...]:
    return tuple(text for each in elements if (text := (each.text or "").strip()))
