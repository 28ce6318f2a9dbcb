"""How the text of a scalar becomes a value, one reader per kind.

A reader raises `Unreadable` with what is wrong and what would be right; `{key}` in the text is
replaced by the key that it is about. Quoted and plain text are told apart where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime

from dockyard.config.shape import Shape, ValueKind
from dockyard.config.source import Scalar
from dockyard.model.base import MIB
from dockyard.model.nearest import nearest

# The core schema's words, and those that Image Customizer's reader takes where it wants a boolean.
_TRUE = frozenset(["true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE = frozenset(["false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"])
_INTEGER = r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+"
_SIZE = r"(0|[1-9][0-9]*)([KMGT])"
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
# What a signed 64-bit file offset can say.
_LARGEST = (1 << 63) - 1
_GUID = r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_RFC3339 = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})"


class Unreadable(Exception):
    def __init__(self, code: str, what: str, fix: str, why: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.fix, self.why = code, what, fix, why


def _quoted(text: str) -> str:
    """The text as a message may show it, safe for `str.format`."""
    short = text if len(text) <= 60 else text[:59] + "…"
    return repr(short).replace("{", "{{").replace("}", "}}")


def read_text(node: Scalar, shape: Shape) -> str:
    return "" if node.is_null else node.text


def read_boolean(node: Scalar, shape: Shape) -> bool | str:
    """A truth value, or one of the words that the shape has beside them."""
    if node.plain and node.text in _TRUE:
        return True
    if node.plain and node.text in _FALSE:
        return False
    if node.text in shape.choices:
        return node.text
    words = f", or {_listed(shape.choices)}" if shape.choices else ""
    raise Unreadable(
        "config.wrong-type",
        f"{{key}} is {_quoted(node.text)}; expected true or false",
        f"write `true` or `false`, without quotes{words}",
    )


def read_integer(node: Scalar, shape: Shape) -> int:
    text = node.text
    if node.plain and len(text) < 40 and re.fullmatch(_INTEGER, text):
        value = int(text, 0)
        if abs(value) <= _LARGEST:
            return value
    fix = "write a whole number, such as 10"
    why = ""
    if not node.plain and re.fullmatch(_INTEGER, text):
        fix = f"remove the quotes: {text}" if len(text) < 40 else fix
    elif re.fullmatch(r"0[0-9]+", text):
        why = "a leading zero means octal to some readers and nothing to others"
        fix = f"write {text.lstrip('0') or '0'}, or 0o… for an octal number"
    raise Unreadable(
        "config.wrong-type", f"{{key}} is {_quoted(text)}; expected a whole number", fix, why
    )


def read_size(node: Scalar, shape: Shape) -> int:
    text = node.text
    match = re.fullmatch(_SIZE, text) if len(text) < 40 else None
    if match is None:
        why, fix = "", "write a number and one of K, M, G, T, such as 512M"
        if re.fullmatch(r"[0-9]+", text):
            why, fix = "the unit is missing", f"write {text[:20]}M, {text[:20]}G, …"
        elif re.fullmatch(r"0[0-9]+[KMGT]", text):
            why = "a leading zero means octal to some readers"
            fix = f"write {text.lstrip('0')}"
        elif meant := re.fullmatch(r"([0-9]{1,15}) ?([KMGTkmgt])(i?[bB])?", text):
            fix = f"write {meant[1]}{meant[2].upper()}"
            why = "a size is a whole number and one of K, M, G, T, powers of 1024"
        elif meant := re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9}) ?([MGTmgt])(i?[bB])?", text):
            whole, part = int(meant[1]), int(meant[2])
            unit = _UNITS[meant[3].upper()] // MIB
            fix = f"write {whole * unit + -(-part * unit // 10 ** len(meant[2]))}M"
            why = "a size is a whole number and one of K, M, G, T, powers of 1024"
        raise Unreadable("config.size", f"{{key}} is {_quoted(text)}, not a size", fix, why)
    value = int(match[1]) * _UNITS[match[2]]
    if value > _LARGEST:
        raise Unreadable("config.size", f"{_quoted(text)} is too large", "write a smaller size")
    if value % MIB:
        raise Unreadable(
            "config.size",
            f"{_quoted(text)} is not a multiple of 1 MiB",
            f"write {value // MIB + 1}M",
            "partitions and disks are aligned to 1 MiB",
        )
    return value


def read_size_or_grow(node: Scalar, shape: Shape) -> int | str:
    if node.text == "grow":
        return "grow"
    try:
        return read_size(node, shape)
    except Unreadable as error:
        error.fix += ", or `grow`"
        raise


def read_permissions(node: Scalar, shape: Shape) -> int:
    """Octal whatever the quotes: 755, "0755" and 0o755 are the same."""
    match = re.fullmatch(r"(?:0o)?([0-7]{1,10})", node.text)
    if match is None:
        raise Unreadable(
            "config.permissions",
            f"{{key}} is {_quoted(node.text)}; expected octal digits",
            'write them as in "644"',
        )
    return int(match[1], 8)


def read_mode(node: Scalar, shape: Shape) -> int:
    """The mode of a file, as chmod(1) takes it: three or four octal digits."""
    if not re.fullmatch("[0-7]{3,4}", node.text):
        raise Unreadable(
            "config.permissions",
            f"{{key}} is {_quoted(node.text)}; expected three or four octal digits",
            'write them as in "0644"',
        )
    return int(node.text, 8)


def read_enum(node: Scalar, shape: Shape) -> object:
    if node.text in shape.choices:
        return shape.make(node.text)
    if node.text == "" and not shape.filled:
        return None
    near = nearest(node.text, shape.choices)
    choices = _listed(shape.choices)
    fix = f"the value is {choices}" if len(shape.choices) == 1 else f"write one of {choices}"
    if near:
        fix = f"did you mean `{near[0]}`? Otherwise {fix}"
    raise Unreadable("config.unknown-value", f"{{key}} does not know {_quoted(node.text)}", fix)


def _listed(choices: Iterable[str]) -> str:
    return ", ".join(f"`{choice}`" for choice in choices)


def read_enum_or_guid(node: Scalar, shape: Shape) -> object:
    if re.fullmatch(_GUID, node.text):
        return node.text.lower()
    try:
        return read_enum(node, shape)
    except Unreadable as error:
        error.fix += ", or a GUID"
        raise


def is_time(text: str) -> bool:
    """Whether a text is a day, or an RFC 3339 time."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            date.fromisoformat(text)
            return True
        if re.fullmatch(_RFC3339, text):
            datetime.fromisoformat(text)
            return True
    except ValueError:
        pass
    return False


def read_date(node: Scalar, shape: Shape) -> str:
    text = node.text
    if text == "" or is_time(text):
        return text
    raise Unreadable(
        "config.time",
        f"{_quoted(text)} is not a time",
        "write 2025-05-20, or 2025-05-20T23:59:59Z",
    )


READERS: dict[ValueKind, Callable[[Scalar, Shape], object]] = {
    ValueKind.TEXT: read_text,
    ValueKind.LOCAL_PATH: read_text,
    ValueKind.INTEGER: read_integer,
    ValueKind.BOOLEAN: read_boolean,
    ValueKind.SIZE: read_size,
    ValueKind.SIZE_OR_GROW: read_size_or_grow,
    ValueKind.PERMISSIONS: read_permissions,
    ValueKind.MODE: read_mode,
    ValueKind.ENUM: read_enum,
    ValueKind.ENUM_OR_GUID: read_enum_or_guid,
    ValueKind.DATE: read_date,
}
