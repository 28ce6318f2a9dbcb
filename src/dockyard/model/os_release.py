"""os-release(5): the file that says which system a root is of, in variables as a shell has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")
"""Where it is: the first that is there counts, and that alone."""

Content = TypeVar("Content")


def release_of(read: Callable[[str], Content | None]) -> Content | None:
    """The file of a root; None where it has none. read: what is at a path, None for nothing."""
    found = (read(path) for path in RELEASE_FILES)
    return next((content for content in found if content is not None), None)


def variables(text: str) -> dict[str, str]:
    """The variables of os-release(5) and files like it, without their quotes."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name.strip()] = re.sub(r"\\(.)", r"\1", value)
    return found
