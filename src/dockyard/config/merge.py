"""How an image file and the files that it builds on become one.

Trees are merged, not models, so that every value keeps its place. The modes:

- override: a value given later replaces the earlier one (everything not named below)
- append: lists are joined, those of the base first (files, directories, scripts, overlays, kernel
  arguments, packages, services)
- by destination: an additional file replaces the base's of the same destination
- by name: users, groups and modules of the same name are merged with each other
- union: each item once (artifacts, preview features)
- last word: a unit enabled, or a package installed, by a base and disabled or removed later is
  disabled or removed; and the other way round
- strongest: `os.bootloader.resetType` holds once any file sets it; an empty value undoes nothing
- single: `storage` stands in one file, or one profile, only
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from dockyard.config.report import Report
from dockyard.config.source import Mapping, Node, Scalar, Sequence
from dockyard.model.os_rules import unit_name

Path_ = tuple[str, ...]

BY_NAME: frozenset[Path_] = frozenset({("os", "users"), ("os", "groups"), ("os", "modules")})
BY_DESTINATION: frozenset[Path_] = frozenset(
    {("os", "additionalFiles"), ("iso", "additionalFiles"), ("pxe", "additionalFiles")}
)
UNION: frozenset[Path_] = frozenset({("output", "artifacts", "items"), ("previewFeatures",)})
# Keys that exclude one another: what a later file says replaces the whole.
WHOLE: frozenset[Path_] = frozenset({("input", "image"), ("os", "users", "password")})
# What a file says about itself and not for those that build on it.
OWN: tuple[str, ...] = ("baseConfigs", "name", "variables", "profiles", "matrix")
_OPPOSITES: dict[Path_, tuple[tuple[str, str], ...]] = {
    ("os", "services"): (("enable", "disable"), ("disable", "enable")),
    ("os", "packages"): (("install", "remove"), ("remove", "install")),
}


def merge_files(base: Node, later: Node, report: Report, *, profile: bool = False) -> Node:
    """The tree of `later` on top of the tree of `base`; both are valid image files, or the later
    one is a profile of the other's file.
    """
    if isinstance(base, Mapping):
        own = () if profile else OWN
        base = Mapping(tuple(item for item in base.entries if item[0].text not in own), base.at)
        if isinstance(later, Mapping):
            _single(base, later, report)
    return _merge(base, later, ())


def _single(base: Mapping, later: Mapping, report: Report) -> None:
    first, second = base.get("storage"), later.get("storage")
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if _is_empty(first) or _is_empty(second):
            return
        key = next(key for key, value in later.entries if value is second)
        other = first.at.position
        report.add(
            "config.storage-twice",
            "`storage` is given twice",
            key.at,
            why=f"{other.file}:{other.line} gives it too, and disk layouts cannot be merged",
            fix="keep `storage` in one of the two",
        )


def _is_absent(node: Node | None) -> bool:
    """Whether a value says nothing: it is not there, null, or empty text."""
    return node is None or (isinstance(node, Scalar) and (node.is_null or node.text == ""))


def _is_empty(node: Node) -> bool:
    """Whether nothing below a node says anything."""
    if isinstance(node, Mapping):
        return all(_is_empty(value) for _, value in node.entries)
    return not node.items if isinstance(node, Sequence) else _is_absent(node)


def _merge(base: Node, later: Node, path: Path_) -> Node:
    if _is_absent(later):
        return base
    if path in WHOLE and isinstance(later, Mapping) and later.entries:
        return later
    if isinstance(base, Mapping) and isinstance(later, Mapping):
        return _mappings(base, later, path)
    if isinstance(base, Sequence) and isinstance(later, Sequence):
        return _sequences(base, later, path)
    return later


def _mappings(base: Mapping, later: Mapping, path: Path_) -> Mapping:
    for given, undone in _OPPOSITES.get(path, ()):
        base = _withdraw(base, given, later.get(undone), path)
    entries: dict[str, tuple[Scalar, Node]] = {key.text: (key, node) for key, node in base.entries}
    for key, node in later.entries:
        earlier = entries.get(key.text)
        if earlier is None:
            entries[key.text] = (key, node)
        elif not _is_absent(node):
            entries[key.text] = (key, _merge(earlier[1], node, (*path, key.text)))
    return Mapping(tuple(entries.values()), later.at)


def _withdraw(base: Mapping, key: str, undone: Node | None, path: Path_) -> Mapping:
    """The base without those names of one list that a later file takes back."""
    names = base.get(key)
    if not isinstance(names, Sequence) or not isinstance(undone, Sequence):
        return base
    spell: Callable[[str], str] = unit_name if path == ("os", "services") else str
    gone = {spell(node.text) for node in undone.items if isinstance(node, Scalar)}
    kept = tuple(
        node for node in names.items if not (isinstance(node, Scalar) and spell(node.text) in gone)
    )
    return Mapping(
        tuple(
            (name, Sequence(kept, names.at) if node is names else node)
            for name, node in base.entries
        ),
        base.at,
    )


def _sequences(base: Sequence, later: Sequence, path: Path_) -> Sequence:
    if path in BY_NAME:
        return _by_name(base, later, path)
    if path in BY_DESTINATION:
        replaced = {_destination(node) for node in later.items}
        kept = tuple(node for node in base.items if _destination(node) not in replaced)
        return Sequence(kept + later.items, later.at)
    if path in UNION:
        seen = {node.text for node in base.items if isinstance(node, Scalar)}
        extra = [node for node in later.items if isinstance(node, Scalar) and node.text not in seen]
        return Sequence((*base.items, *extra), later.at)
    return Sequence(base.items + later.items, later.at)


def _name(node: Node) -> str:
    name = node.get("name") if isinstance(node, Mapping) else None
    return name.text if isinstance(name, Scalar) else ""


def _destination(node: Node) -> str:
    path = node.get("destination") if isinstance(node, Mapping) else None
    return posixpath.normpath("/" + path.text.lstrip("/")) if isinstance(path, Scalar) else ""


def _by_name(base: Sequence, later: Sequence, path: Path_) -> Sequence:
    items = list(base.items)
    places = {_name(node): index for index, node in enumerate(items)}
    for node in later.items:
        place = places.get(_name(node))
        if place is None:
            items.append(node)
            continue
        if path == ("os", "modules"):
            node = _without_inherit(node)
        items[place] = _merge(items[place], node, path)
    return Sequence(tuple(items), later.at)


def _without_inherit(node: Node) -> Node:
    """A module whose later mention inherits the load mode keeps the base's."""
    if not isinstance(node, Mapping):
        return node
    mode = node.get("loadMode")
    if isinstance(mode, Scalar) and mode.text == "inherit":
        return Mapping(tuple(item for item in node.entries if item[1] is not mode), node.at)
    return node
