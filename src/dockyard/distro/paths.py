"""Paths of imported payloads: globs of declarations, and merged /usr.

In a glob `*` and `?` stay within one part of a path, `**` crosses parts; what matches a directory
covers all below it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> str:
    """The regular expression of a glob, without anchors."""
    parts = re.split(r"(\*\*|\*|\?|\[[^]/]+\])", glob)
    translated = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        translated.get(part, part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
        for part in parts
    )


class Globs:
    """A set of globs, matched against a path or any directory above it."""

    def __init__(self, globs: Sequence[str]) -> None:
        self.globs = tuple(globs)
        whole = "|".join(_pattern(glob) for glob in globs)
        self._expression = re.compile(f"(?:{whole})(?:/.*)?" if globs else "(?!)", re.DOTALL)

    def match(self, path: str) -> bool:
        return self._expression.fullmatch(path) is not None

    def unused(self, paths: Iterable[str]) -> list[str]:
        """The globs that match none of the paths."""
        known = tuple(paths)
        return [
            glob for glob in self.globs if not any(map(exact(glob, below=True).fullmatch, known))
        ]


@lru_cache(maxsize=4096)
def exact(glob: str, below: bool = False) -> re.Pattern[str]:
    """The expression of one glob that matches whole paths; below: and all that is below them."""
    return re.compile(f"(?:{_pattern(glob)})" + ("(?:/.*)?" if below else ""), re.DOTALL)


def merged(path: str) -> str:
    """A relative path of a payload as an absolute path with /bin, /lib and so on below /usr."""
    first, _, _ = path.partition("/")
    return f"/usr/{path}" if first in MERGED else f"/{path}"


def moved_target(target: str, old: str, new: str) -> str:
    """The text of a relative symbolic link that moved from one absolute path to another."""
    if target.startswith("/") or posixpath.dirname(old) == posixpath.dirname(new):
        return target
    absolute = posixpath.normpath(posixpath.join(posixpath.dirname(old), target))
    return posixpath.relpath(merged(absolute.lstrip("/")), posixpath.dirname(new))
