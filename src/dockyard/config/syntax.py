"""What libyaml's complaints mean to the person who wrote the file."""

from __future__ import annotations

from typing import NamedTuple

import yaml

# part of the parser's message -> what is wrong, what to do
_MEANINGS = (
    (
        "did not find expected key",
        "this line does not belong to the mapping around it",
        "align the key with its neighbours, or close the quote or bracket before it",
    ),
    (
        "did not find expected '-'",
        "this line does not belong to the list around it",
        "start each item of a list with `- `, all in the same column",
    ),
    (
        "mapping values are not allowed",
        "there is a `:` where none can stand",
        "give the line before its own `:`, or quote text that contains `: `",
    ),
    (
        "could not find expected ':'",
        "there is a key without a `:`",
        "write `key: value`, or align the text with the text that it continues",
    ),
    (
        "did not find expected ',' or",
        "a bracket is not closed, or a comma is missing",
        "close each `[` with `]` and each `{` with `}`; put commas between the items",
    ),
    (
        "unexpected end of stream",
        "a quote is not closed",
        "close the quote where the text ends",
    ),
    (
        "cannot start any token",
        "text cannot start with this character",
        "put the text in quotes; indent with spaces, never with tabs",
    ),
    (
        "block sequence entries are not allowed",
        "a list item cannot stand here",
        "start the list in the line below its key",
    ),
    (
        "control characters are not allowed",
        "the text has a control character",
        "remove the character",
    ),
    (
        "unknown escape character",
        "there is a `\\` that starts no escape",
        "use single quotes, or write `\\\\` for one backslash",
    ),
    (
        "undefined alias",
        "aliases (`*name`) are not read",
        "write the value out; put text that starts with `*` in quotes",
    ),
)
_OTHERWISE = (
    "this is not valid YAML",
    "look at this line and the one before: indentation, quotes, brackets, `key: value`",
)


class SyntaxMistake(NamedTuple):
    line: int
    column: int
    what: str
    why: str
    fix: str


def explain(error: yaml.YAMLError | UnicodeError, text: str) -> SyntaxMistake:
    """Place, meaning and mending of what the parser stopped at. Line and column count from 1."""
    reason = why = ""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = _inside(text, mark.line, mark.column) if mark else (0, 0)
        reason = why = error.problem or error.context or ""
        if error.problem and error.context and error.context_mark:
            start = error.context_mark.line + 1
            why += f", {error.context}" + (f" that starts in line {start}" if start <= line else "")
    else:
        line, column = _forbidden_character(text)
        reason = why = "control characters are not allowed"
    for part, what, fix in _MEANINGS:
        if part in reason:
            return SyntaxMistake(line + 1, column + 1, what, f"YAML: {why}", fix)
    what, fix = _OTHERWISE
    return SyntaxMistake(line + 1, column + 1, what, f"YAML: {why}", fix)


def _inside(text: str, line: int, column: int) -> tuple[int, int]:
    """The place, or the end of the last written line where it lies beyond."""
    lines = text.splitlines() or [""]
    if line < len(lines) and lines[line].strip():
        return line, min(column, len(lines[line]))
    line = min(line, len(lines) - 1)
    while line and not lines[line].strip():
        line -= 1
    return line, len(lines[line].rstrip())


def _forbidden_character(text: str) -> tuple[int, int]:
    for number, line in enumerate(text.split("\n")):
        for column, character in enumerate(line):
            code = ord(character)
            if (code < 32 and character not in "\t\r") or code == 127 or 0xD800 <= code < 0xE000:
                return number, column
    return 0, 0
