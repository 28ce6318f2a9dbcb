"""The texts and numbers of a distribution's files, each with the rule that it keeps."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from dockyard.model.fields import Mark, Reading, ValueRule

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_VERSION = r"[A-Za-z0-9._+~^]+"
# Of OpenPGP keys of version 4, and of version 6.
_FINGERPRINT = r"[0-9A-F]{40}|[0-9A-F]{64}"
_STREAM = r"[A-Za-z0-9+._-]+:[A-Za-z0-9+._-]+"
_CLAUSE = r"cap_[a-z_]+(,cap_[a-z_]+)*[=+][eip]+"


def _name(value: str) -> str:
    return "" if re.fullmatch(_NAME, value) else f"{value!r} is not a name"


def _version(value: str) -> str:
    return "" if re.fullmatch(_VERSION, value) else f"{value!r} is not a version or release of RPM"


def _absolute(value: str) -> str:
    if not value.startswith("/") or (value != "/" and value.endswith("/")):
        return "a path in the system starts with / and does not end with one"
    if any(part in (".", "..") for part in value.split("/")) or "//" in value:
        return "a path in the system has no empty part and no . or .."
    return ""


def _relative(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        return f"{value!r} is not below the directory of distro.yaml"
    return ""


def _capabilities(value: str) -> str:
    if value and not all(re.fullmatch(_CLAUSE, clause) for clause in value.split()):
        return f"{value!r} names no capabilities"
    return ""


def _fingerprint(value: str) -> str:
    return "" if re.fullmatch(_FINGERPRINT, value) else f"{value!r} is not a fingerprint of a key"


def _stream(value: str) -> str:
    return "" if re.fullmatch(_STREAM, value) else f"{value!r} is not a stream of a module"


def _natural(value: int) -> str:
    return "" if value >= 0 else f"{value} is out of range"


def _positive(value: int) -> str:
    return "" if value >= 1 else f"{value} is out of range"


Name: TypeAlias = Annotated[
    str,
    ValueRule(
        "distro.name",
        _name,
        "use letters, digits and . _ + -; a letter, a digit or _ comes first",
        {"pattern": f"^{_NAME}$"},
    ),
]
Names: TypeAlias = Annotated[tuple[str, ...], Mark.ONE_OR_MANY]
VersionText: TypeAlias = Annotated[
    str,
    ValueRule(
        "distro.version",
        _version,
        "use letters, digits and . _ + ~ ^",
        {"pattern": f"^{_VERSION}$"},
    ),
]
# A path in the system that is made.
SystemPath: TypeAlias = Annotated[
    str,
    ValueRule(
        "distro.path",
        _absolute,
        "write it as in /usr/share/doc",
        {"pattern": r"^/($|(?!(.*/)?\.{1,2}(/|$))(?!.*//).*[^/]$)"},
    ),
]
# A file of the distribution, by its path below the directory of distro.yaml.
OwnFile: TypeAlias = Annotated[
    str,
    ValueRule(
        "distro.file-outside",
        _relative,
        "write a path relative to that directory, without `..`",
        {"pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))"},
    ),
]
Capabilities: TypeAlias = Annotated[
    str,
    ValueRule(
        "distro.capabilities",
        _capabilities,
        "write them as cap_net_raw=ep or cap_net_admin,cap_net_raw+ep",
    ),
]
Fingerprints: TypeAlias = tuple[
    Annotated[
        str,
        ValueRule(
            "distro.fingerprint",
            _fingerprint,
            "write all of its 40 digits in upper case, without blanks",
            {"pattern": f"^({_FINGERPRINT})$"},
        ),
    ],
    ...,
]
Streams: TypeAlias = tuple[
    Annotated[
        str,
        ValueRule(
            "packages.stream",
            _stream,
            "write the module and the stream with a colon between, such as `nodejs:20`",
            {"pattern": f"^{_STREAM}$"},
        ),
    ],
    ...,
]
# Permission bits. In YAML three or four octal digits, quoted.
Mode: TypeAlias = Annotated[int, Reading.MODE]
Natural: TypeAlias = Annotated[
    int, ValueRule("distro.out-of-range", _natural, "write 0 or more", {"minimum": 0})
]
Positive: TypeAlias = Annotated[
    int, ValueRule("distro.out-of-range", _positive, "write 1 or more", {"minimum": 1})
]
