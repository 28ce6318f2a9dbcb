"""GRUB's environment block, grubenv: variables that a running GRUB reads and writes.

Layout (GRUB manual, "The GRUB environment block"): a file of exactly 1024 bytes, a signature line,
lines `name=value` in which a backslash goes before backslashes and line ends, then `#` to the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dockyard.errors import DockyardError, Problem

SIZE = 1024
SIGNATURE = "# GRUB Environment Block\n"
_LINE = re.compile(r"(?P<name>[^=#\n][^=\n]*)=(?P<value>(?:\\.|[^\\\n])*)\n", re.DOTALL)


def variables_of(block: str) -> dict[str, str]:
    """The variables of a block in order; none for what is no block."""
    return {
        match["name"]: re.sub(r"\\(.)", r"\1", match["value"], flags=re.DOTALL)
        for match in _LINE.finditer(_content(block))
    }


def with_variables(block: str, values: Mapping[str, str], name: str) -> str:
    """A block with other values; variables that it has stay in their places, new ones follow.

    name: what errors call it. Raises DockyardError (`grub.environment-full`) without room for them.
    """
    content = _content(block)
    left = dict(values)

    def replaced(match: re.Match[str]) -> str:
        value = left.pop(match["name"], None)
        return match[0] if value is None else _line(match["name"], value)

    content = _LINE.sub(replaced, content) + "".join(_line(*item) for item in left.items())
    room = SIZE - len(SIGNATURE.encode()) - len(content.encode(errors="surrogateescape"))
    if room < 0:
        raise DockyardError(
            Problem(
                "grub.environment-full",
                f"{name} has no room for the kernel command line",
                name,
                why=f"GRUB's environment block has {SIZE} bytes, {-room} less than are needed",
                fix="add fewer kernel arguments",
            )
        )
    return f"{SIGNATURE}{content}{'#' * room}"


def _content(block: str) -> str:
    """The lines between the signature and the padding."""
    if not block.startswith(SIGNATURE):
        return ""
    body = block[len(SIGNATURE) :].rstrip("#")
    return body if body.endswith("\n") or not body else f"{body}\n"


def _line(name: str, value: str) -> str:
    escaped = re.sub(r"([\\\n])", r"\\\1", value)
    return f"{name}={escaped}\n"
