"""Imports: which upstream package a component asks for, by name or by a name with a placeholder.

Some names carry a version (`linux-image-6.12.107+deb13-cloud-amd64`), and with the next one the old
name is gone from the archive. A placeholder in `import` stands for it; the lock says which package
it is, and the placeholder's text is put into the rest of the declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from dockyard.distro.evr import rpm_evr
from dockyard.model.base import Model
from dockyard.model.components import PLACEHOLDER, VERSION, Component
from dockyard.model.packages import Pin

_LITERAL = frozenset(("import_", "follows", "content"))
"""Fields in which a placeholder is not replaced."""


@dataclass(frozen=True, slots=True)
class Import:
    """One upstream package that a component asks for. upstream: its name, or a pattern of it."""

    component: str
    upstream: str
    declaration: Component = field(compare=False)

    @property
    def rpm_name(self) -> str:
        return self.declaration.rename or self.upstream

    @property
    def is_pattern(self) -> bool:
        return PLACEHOLDER.search(self.upstream) is not None

    @property
    def request(self) -> str:
        """What is asked for, as a lock records it."""
        follows, suite = self.declaration.follows, self.declaration.suite
        name = f"{follows} -> {self.upstream}" if follows else self.upstream
        return f"{suite}/{name}" if suite else name

    def fits(self, name: str) -> bool:
        """Whether an upstream package may be the one that is asked for."""
        return _expression(self.upstream).fullmatch(name) is not None

    def takes(self, pin: Pin) -> bool:
        """Whether a pin of such a name is of the suite that it is taken from."""
        suite = self.declaration.suite
        return suite is None or pin.repository.split(":")[1:2] == [suite]

    def filled(self, pin: Pin) -> Component:
        """The declaration with the placeholders replaced by what a pin, which fits, says."""
        match = _expression(self.upstream).fullmatch(pin.name)
        values = {VERSION: rpm_evr(pin.evr)[1], **(match.groupdict() if match else {})}
        filled: Component = _filled(self.declaration, values)
        return filled

    def unknown_placeholders(self) -> list[str]:
        """The placeholders of the declaration that nothing gives a text for."""
        known = {VERSION, *PLACEHOLDER.findall(self.upstream)}
        found = {name for text in _texts(self.declaration) for name in PLACEHOLDER.findall(text)}
        return sorted(found - known)


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    # A version begins with a digit: the names of meta packages and of variants do not fit.
    parts = PLACEHOLDER.split(pattern)
    return re.compile(
        "".join(
            f"(?P<{part}>[0-9][a-z0-9.+-]*)" if position % 2 else re.escape(part)
            for position, part in enumerate(parts)
        )
    )


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, tuple):
        return tuple(_filled(item, values) for item in value)
    if isinstance(value, dict):
        return {_filled(key, values): _filled(item, values) for key, item in value.items()}
    if isinstance(value, Model):
        return replace(value, **{name: _filled(item, values) for name, item in _fields(value)})
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts((*value.keys(), *value.values()))
    elif isinstance(value, Model):
        for _, item in _fields(value):
            yield from _texts(item)


def _fields(value: Model) -> Iterator[tuple[str, Any]]:
    """The fields that may have placeholders."""
    return (
        (each.name, getattr(value, each.name))
        for each in fields(value)
        if each.name not in _LITERAL
    )
