"""What libyaml's complaints mean to the person who wrote the file."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from dockyard.config.indentation import odd_line

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
        "cannot start any token",
        "text cannot start with this character",
        "put the text in quotes",
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
        "aliases (`*name`) are not supported",
        "write the value out; put text that starts with `*` in quotes",
    ),
)
_DASH = "did not find expected '-'"
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
    """Place, meaning and fix of what the parser stopped at. Line and column count from 1."""
    reason = why = ""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = _inside(text, mark.line, mark.column) if mark else (0, 0)
        reason = why = error.problem or error.context or ""
        if error.problem and error.context and error.context_mark:
            start = error.context_mark.line + 1
            why += f", {error.context}" + (f" that starts in line {start}" if start <= line else "")
        better = _tab(text, line, column) or _quote(error, text, line)
        if better or (better := _follows_a_value(error, text) or _odd(error, text, line)):
            return better._replace(why=f"YAML: {why}")
    else:
        line, column = _forbidden_character(text)
        reason = why = "control characters are not allowed"
    for part, what, fix in _MEANINGS:
        if part in reason:
            return SyntaxMistake(line + 1, column + 1, what, f"YAML: {why}", fix)
    what, fix = _OTHERWISE
    return SyntaxMistake(line + 1, column + 1, what, f"YAML: {why}", fix)


def _tab(text: str, line: int, column: int) -> SyntaxMistake | None:
    """A tab where the parser stopped, or in the indentation before."""
    written = text.splitlines()[line : line + 1] or [""]
    indent = written[0][: len(written[0]) - len(written[0].lstrip(" \t-"))]
    if "\t" not in indent or column > len(indent):
        return None
    at = indent.index("\t")
    return SyntaxMistake(
        line + 1, at + 1, "a tab indents this line", "", "indent with spaces; YAML allows no tabs"
    )


def _quote(error: yaml.MarkedYAMLError, text: str, line: int) -> SyntaxMistake | None:
    """The quote that was never closed: the parser goes on to the next quote, or to the end."""
    start = error.context_mark if "quoted scalar" in (error.context or "") else None
    if start is None or "end of stream" not in (error.problem or ""):
        start = _swallowing(text, line)
    if start is None:
        return None
    fix = "close the quote where the text ends"
    return SyntaxMistake(start.line + 1, start.column + 1, "a quote is not closed", "", fix)


def _swallowing(text: str, line: int) -> yaml.Mark | None:
    """Where the quoted text starts that ends in a line, several lines further down."""
    found: yaml.Mark | None = None
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if token.start_mark.line > line:
                break
            quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            if quoted and token.start_mark.line < token.end_mark.line == line:
                found = token.start_mark
    except yaml.YAMLError:
        pass
    return found


def _follows_a_value(error: yaml.MarkedYAMLError, text: str) -> SyntaxMistake | None:
    """Text behind a quote or a bracket that closed a value in the same line."""
    mark = error.problem_mark
    if mark is None or not (error.problem or "").startswith(("did not find expected key", _DASH)):
        return None
    before = "".join(text.splitlines()[mark.line : mark.line + 1])[: mark.column].rstrip()
    if not before.endswith(("'", '"', "]", "}")):
        return None
    fix = "put the whole value in quotes; write '' for a ' within single quotes"
    what = "the value ended before this text"
    return SyntaxMistake(mark.line + 1, mark.column + 1, what, "", fix)


_INDENTATION = (
    "did not find expected key",
    _DASH,
    "mapping values are not allowed",
)


def _odd(error: yaml.MarkedYAMLError, text: str, line: int) -> SyntaxMistake | None:
    """The line before whose indentation made the parser stumble here."""
    mark = error.problem_mark
    if mark is None or not (error.problem or "").startswith(_INDENTATION):
        return None
    if ": " in "".join(text.splitlines()[line : line + 1])[: mark.column]:
        return None  # not the beginning of the line
    outer = error.context_mark.column if error.context_mark else None
    odd = odd_line(text, line, outer)
    if odd is None:
        return None
    return SyntaxMistake(
        odd.number + 1,
        odd.text_column + 1,
        "the indentation of this line does not fit the lines around it",
        "",
        f"align it with its neighbours; line {line + 1} is the first that it does not fit",
    )


def _inside(text: str, line: int, column: int) -> tuple[int, int]:
    """The place, or the end of the last written line where it is past that."""
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
