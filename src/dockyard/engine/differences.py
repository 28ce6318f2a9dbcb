"""Says in words what differs between two JSON values, for the reasons of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Keys that say what a mapping in a list is about.
_NAMING = ("file", "directory", "user", "group", "service", "module", "script", "name")


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Say in words what differs between two JSON values."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            path = f"{where}.{key}" if where else str(key)
            if key not in before:
                yield f"{path} was added"
            elif key not in after:
                yield f"{path} was removed"
            else:
                yield from differences(before[key], after[key], path)
    elif (old := _by_name(before)) is not None and (new := _by_name(after)) is not None:
        for name in sorted({*old, *new}):
            told = f"{where}: {plain}" if (plain := name.removeprefix("name ")) != name else name
            if name not in old:
                yield f"{told} was added"
            elif name not in new:
                yield f"{told} was removed"
            elif old[name] != new[name]:
                yield f"{told} changed"
        if old == new:
            yield f"{where}: the order changed"
    elif _is_list(before) and _is_list(after):
        gone = [item for item in before if item not in after]
        come = [item for item in after if item not in before]
        yield from (f"{where}: {_short(item)} was removed" for item in gone)
        yield from (f"{where}: {_short(item)} was added" for item in come)
        if not gone and not come:
            yield f"{where}: the order changed"
    elif _is_digest(before) and _is_digest(after):
        yield f"{where} has other content"
    else:
        yield f"{where} was {_short(before)}, is {_short(after)}"


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list of mappings by what each is about, such as `file /etc/motd`; None for another value,
    or where two are about the same.
    """
    if not _is_list(value) or not all(isinstance(item, Mapping) and item for item in value):
        return None
    named = {}
    for item in value:
        about = [f"{key} {item[key]}" for key in _NAMING if isinstance(item.get(key), str)]
        if not about and len(item) > 1:
            return None
        named[about[0] if about else next(iter(item))] = item
    return named if len(named) == len(value) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}…"
