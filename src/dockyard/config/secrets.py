"""Where a configuration file may hold a secret: what no message may show.

Passwords and their hashes, the environment and the arguments of scripts, and texts that are given
in place, also under a key that is nearly one of these; and logins in addresses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY = re.compile(r"(?i)val\w*|pas\w*d|env\w*v\w*|content\w*|arg\w*s")
# The same in a line that is no YAML.
_LINE = re.compile(
    r"(?i)(?P<key>(?:^|[\s{,-])[\"']?(?:val\w*|pas\w*d)[\"']?\s*:\s*)(?P<secret>[^\s{|>].*)"
)
# What variables stand in a text, and what those are likely called that stand for a secret.
_NAME = re.compile(r"(?<!\$)\$\{\{\s*([A-Za-z][\w-]*)\s*\}\}")
_SECRET_NAME = re.compile(r"(?i)pass|pw|secret|token")
_USED = re.compile(r"(?i)val\w*|pas\w*d|env\w*v\w*")
_LOGIN = re.compile(r"(?<![^\s/:@'\"])([^\s/:@'\"]{1,64}):[^\s/@'\"]{1,256}@(?=[\w\[])")


@lru_cache(16)  # a file with a matrix is read once for each of its images
def hidden(text: str) -> Mapping[int, int]:
    """Line (from 1) → the column (from 0) from which on it is not to be shown."""
    used = set(_used_in_secrets(text)) if "${{" in text else set()
    found: dict[int, int] = {}
    stack: list[_Level] = []
    last = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            last = _extent(event)[0]
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                stack.append(
                    _Level(isinstance(event, yaml.MappingStartEvent), _is_secret(stack, used))
                )
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                _passed(stack, "")
            elif isinstance(event, yaml.ScalarEvent):
                is_key = bool(stack) and stack[-1].awaits_key
                if not is_key and _is_secret(stack, used):
                    _hide(found, *_extent(event))
                _passed(stack, event.value)
            elif isinstance(event, yaml.AliasEvent):
                _passed(stack, "")
    except (yaml.YAMLError, UnicodeError):
        if _is_secret(stack, used):  # nobody knows where it ends
            _hide(found, last + 1, 0, text.count("\n"))
    return found


def without(line: str) -> str:
    """A line of text without what may be a secret in it, whatever it is part of."""
    return without_login(_LINE.sub(r"\g<key>…", line))


def without_login(text: str) -> str:
    """A text without the passwords of addresses in it."""
    return _LOGIN.sub(r"\1:…@", text) if "@" in text else text


class _Level:
    """A mapping or list that is open. secret: all in it is one. key: the one whose value comes."""

    __slots__ = ("is_mapping", "key", "secret")

    def __init__(self, is_mapping: bool, secret: bool) -> None:
        self.is_mapping = is_mapping
        self.secret = secret
        self.key: str | None = None

    @property
    def awaits_key(self) -> bool:
        return self.is_mapping and self.key is None


def _is_secret(stack: list[_Level], variables: Collection[str] = ()) -> bool:
    """Whether the value that comes is one. variables: those that stand for secrets."""
    if not stack:
        return False
    top = stack[-1]
    if top.secret or top.key is None:
        return top.secret
    if _KEY.fullmatch(top.key):
        return True
    above = [level.key for level in stack[:-1]]
    declares = above in (["variables"], ["matrix", "axes"])
    return declares and (top.key in variables or _SECRET_NAME.search(top.key) is not None)


def _used_in_secrets(text: str) -> Iterator[str]:
    """The variables that stand in passwords and in the environment of scripts."""
    stack: list[_Level] = []
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                secret = bool(stack) and (stack[-1].secret or _uses(stack[-1].key))
                stack.append(_Level(isinstance(event, yaml.MappingStartEvent), secret))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                _passed(stack, "")
            elif isinstance(event, yaml.ScalarEvent):
                if stack and (stack[-1].secret or _uses(stack[-1].key)):
                    yield from names_in(event.value)
                _passed(stack, event.value)
            elif isinstance(event, yaml.AliasEvent):
                _passed(stack, "")
    except (yaml.YAMLError, UnicodeError):
        return


def _uses(key: str | None) -> bool:
    return key is not None and _USED.fullmatch(key) is not None


def names_in(text: str) -> list[str]:
    """The variables that stand in a text."""
    return _NAME.findall(text) if "${{" in text else []


def _passed(stack: list[_Level], text: str) -> None:
    """A key or a value is complete."""
    if stack and stack[-1].is_mapping:
        stack[-1].key = text if stack[-1].key is None else None


def _extent(event: yaml.Event) -> tuple[int, int, int]:
    """First line, column in it, and last line of a value, from 0."""
    start, end = event.start_mark, event.end_mark
    assert start is not None and end is not None  # the C parser marks every event
    return start.line, start.column, max(start.line, end.line - (end.column == 0))


def _hide(found: dict[int, int], first: int, column: int, last: int) -> None:
    """first, last: lines from 0."""
    found[first + 1] = min(column, found.get(first + 1, column))
    for line in range(first + 1, last + 1):
        found[line + 1] = 0
