"""Debian control data (deb822): paragraphs of `Name: value` fields, as in Debian Policy chapter 5.

The first line of a value stands after the colon; further lines begin with a blank. Lines that
begin with `#` are comments. Paragraphs are separated by empty lines.
"""

from __future__ import annotations

from collections.abc import Iterator


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file.

    A value keeps its further lines, each without its first blank and joined by newlines. Lines
    that are no fields are passed over, as apt does.
    """
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = _fields(block)
        if fields:
            yield fields


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in block.split("\n"):
        if not line or line[0] == "#":
            continue
        if line[0] in " \t":
            if name:
                fields[name] += "\n" + line[1:]
            continue
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = value.strip()
        else:
            name = ""
    return fields
