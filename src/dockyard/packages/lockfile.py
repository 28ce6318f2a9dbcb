"""The text form of a lock: JSON with one package per line.

Keys in fixed order, packages sorted by name, fields at their defaults left out, a final line feed:
the same lock is the same text, and a changed package is one changed line in a diff. JSON because
reading it takes about a millisecond and the unchanged build reads it every time. Nothing of where
or when the lock was made goes in: no host, no mirror, no time.

A lock carries the digest of all else that it says. So lines that a merge lost or took from both
sides are noticed, and two branches that both move the lock get a conflict that a person sees.

Reading trusts nothing: a lock decides which bytes are installed, so every field is checked, and a
mistake is reported with its line, all mistakes together.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeVar

from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host.files import read_regular
from dockyard.model.architecture import Architecture
from dockyard.model.packages import (
    LOCK_VERSION,
    Lock,
    LockedRepository,
    PackageKind,
    Pin,
    PinBy,
    Request,
)
from dockyard.packages.lock_positions import positions

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:~^@-]{,254}\Z")
# Suites of Debian are called `debian/<suite>/<component>`.
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:~^@/-]{,254}\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+:~^@(){}&-]{,254}\Z")
# The texts of a pin, one to a line, with a path in which nothing is odd.
_PLAIN_PATH = r"[A-Za-z0-9][A-Za-z0-9._+:~^@%=-]*(?:/[A-Za-z0-9][A-Za-z0-9._+:~^@%=-]*)*"
_PLAIN_PIN = re.compile(
    "\n".join(
        pattern.removesuffix(r"\Z")
        for pattern in (_NAME.pattern, _WORD.pattern, _WORD.pattern, _REPOSITORY.pattern,
                        _PLAIN_PATH, _DIGEST.pattern)
    )
)  # fmt: skip
_PIN_NEEDED = frozenset(("name", "evr", "arch", "repository", "path"))
_PIN_KNOWN = _PIN_NEEDED | {"kind", "size", "unpacked", "digest", "content"}
_KINDS = {str(kind): kind for kind in PackageKind}
_E = TypeVar("_E", Architecture, PackageKind, PinBy)
_LARGEST = (1 << 63) - 1
_SHOWN = 60
LOCK_IMAGE = "dockyard lock"


def dump(lock: Lock) -> str:
    """The lock as text: stable and sorted, whatever the order of what it was made from."""
    body = _body(lock)
    head = ["{", f' "lock": {LOCK_VERSION},', f' "digest": {_json(_digest(body))},']
    return "\n".join([*head, *body, "}", ""])


def _digest(body: Sequence[str]) -> str:
    text = "\n".join((str(LOCK_VERSION), *body))
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _body(lock: Lock) -> list[str]:
    """All lines but those of version and digest."""
    lines = [f' "subject": {_json(lock.subject)},']
    if lock.request is not None:
        lines += _request_lines(lock.request)
    if lock.answers:
        rows: list[dict[str, object]] = [
            {"item": item, "package": name} for item, name in sorted(lock.answers)
        ]
        lines += [' "answers": [', *_one_per_line(rows), " ],"]
    if lock.installed:
        removed = [f"  {_json(each)}" for each in sorted(lock.removed)]
        lines += [f' "installed": {_json(lock.installed)},', f' "newest": {lock.newest},']
        lines += [' "removed": [']
        lines += [f"{row}," for row in removed[:-1]] + [*removed[-1:], " ],"]
    repositories = [_repository_fields(entry) for entry in sorted(lock.repositories)]
    lines += [' "repositories": [', *_one_per_line(repositories), " ],"]
    lines += [' "packages": [', *_one_per_line(_pin_rows(lock.packages)), " ],"]
    lines += [' "tools": [', *_one_per_line(_pin_rows(lock.tools)), " ]"]
    return lines


def load(path: Path, made_by: str = LOCK_IMAGE) -> Lock:
    """Read and check a lock. made_by: the command that makes such a lock, for messages.

    Raises lock.missing, lock.damaged (every mistake with its line), lock.too-old or lock.too-new.
    """
    try:
        text = read_regular(path).decode()
    except FileNotFoundError:
        what = f"there is no lock {path}"
        problem = Problem("lock.missing", what, fix=f"make it with `{made_by}`")
        raise DockyardError(problem) from None
    except (OSError, UnicodeDecodeError) as error:
        what = f"the lock {path} cannot be read"
        problem = Problem("lock.damaged", what, why=str(error), fix=_relock(made_by))
        raise DockyardError(problem) from None
    return loads(text, str(path), made_by)


def load_if_sound(path: Path, made_by: str = LOCK_IMAGE) -> Lock | None:
    """The same for a lock that is to be made again: None when there is none, or one so damaged or
    old that nothing of it counts.
    """
    try:
        return load(path, made_by)
    except DockyardError as error:
        passed = ("lock.missing", "lock.damaged", "lock.too-old")
        if all(problem.code in passed for problem in error.problems):
            return None
        raise


def _relock(made_by: str) -> str:
    return f"make it again with `{made_by}`, or take the file from version control"


def loads(text: str, file: str = "image.lock", made_by: str = LOCK_IMAGE) -> Lock:
    """Check the text of a lock; `file` names it in errors."""
    fix = _relock(made_by)
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except json.JSONDecodeError as error:
        where = Position(file, error.lineno, error.colno)
        merge = bool(re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE))
        why = "it holds the marks of an unfinished merge" if merge else error.msg
        what = "the lock is not whole"
        raise DockyardError(Problem("lock.damaged", what, where, why, fix)) from None
    except (_Unreadable, RecursionError) as error:
        what = f"the lock cannot be read: {error}"
        problem = Problem("lock.damaged", what, Position(file), fix=fix)
        raise DockyardError(problem) from None
    version = data.get("lock") if isinstance(data, dict) else None
    if type(version) is int and version > 0 and version != LOCK_VERSION:
        what = f"the lock has version {version}, this Dockyard reads version {LOCK_VERSION}"
        newer = "use the Dockyard that made it, or newer"
        code, fix = ("too-new", newer) if version > LOCK_VERSION else ("too-old", fix)
        raise DockyardError(Problem(f"lock.{code}", what, Position(file), fix=fix))
    return _Reader(text, file, fix).lock(data)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_per_line(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        yield f"  {_json(row)}{',' if number < len(rows) else ''}"


def _request_lines(request: Request) -> list[str]:
    items = sorted(set(request.install))
    rows = [f"  {_json(item)}{',' if n < len(items) else ''}" for n, item in enumerate(items, 1)]
    return [
        f' "architecture": {_json(request.architecture)},',
        f' "weak": {_json(request.weak)},',
        f' "exclude": {_json(sorted(set(request.exclude)))},',
        ' "install": [',
        *rows,
        " ],",
        *_change_lines(request),
    ]


def _change_lines(request: Request) -> Iterator[str]:
    """What is asked of an image that exists; nothing of one that is made from nothing."""
    for key in ("remove", "update"):
        if items := sorted(set(getattr(request, key))):
            yield f" {_json(key)}: {_json(items)},"
    if request.update_all:
        yield ' "update_all": true,'
    if request.base:
        yield f' "base": {_json(request.base)},'
    if request.modules:
        yield f' "modules": {_json(list(request.modules))},'
    if request.before is not None:
        yield f' "before": {request.before},'


def _repository_fields(entry: LockedRepository) -> dict[str, object]:
    plain = LockedRepository("")
    row: dict[str, object] = {"id": entry.id}
    for field in ("kind", "pin", "check_packages", "check_metadata", "priority", "revision"):
        value = getattr(entry, field)
        if value != getattr(plain, field):
            row[field] = value
    for field in ("keys", "exclude", "include"):
        if getattr(entry, field):
            row[field] = sorted(getattr(entry, field))
    return row


def _pin_rows(pins: Sequence[Pin]) -> list[dict[str, object]]:
    rows = []
    for pin in sorted(pins):
        row: dict[str, object] = {"name": pin.name, "evr": pin.evr, "arch": pin.arch}
        if pin.kind is not PackageKind.RPM:
            row["kind"] = pin.kind
        row |= {"repository": pin.repository, "path": pin.path}
        for field in ("size", "unpacked", "digest", "content"):
            if value := getattr(pin, field):
                row[field] = value
        rows.append(row)
    return rows


class _Unreadable(ValueError):
    """A JSON object has a key twice, or a number is beyond all measure."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = ", ".join(sorted({key for key, _ in pairs}))
        raise _Unreadable(f"a key stands twice in {names[:_SHOWN]!r}")
    return result


def _whole(digits: str) -> int:
    if len(digits) > len(str(_LARGEST)):
        raise _Unreadable(f"a number has {len(digits)} digits")
    return int(digits)


def _short(value: object) -> str:
    """A value of a damaged file as a message may show it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Reader:
    """Turns checked JSON into a lock, collecting mistakes."""

    def __init__(self, text: str, file: str, fix: str) -> None:
        self._text = text
        self._file = file
        self._fix = fix
        self._problems = Problems()
        self._lines: dict[tuple[str, int], Position] | None = None

    def lock(self, data: object) -> Lock:
        needed = {"lock", "digest", "subject", "packages"}
        known = needed | {"architecture", "weak", "exclude", "install", "answers"}
        known |= {"repositories", "tools", "remove", "update", "update_all", "before", "base"}
        known |= {"modules"}
        known |= {"installed", "newest", "removed"}
        row = self._object(data, ("", 0), known, needed)
        if type(row.get("lock", LOCK_VERSION)) is not int or row.get("lock", 1) < 1:
            self._wrong(("lock", 0), f"its version is {_short(row['lock'])}, not {LOCK_VERSION}")
        digest = self._text_field(row, "digest", ("digest", 0), _DIGEST)
        subject = self._text_field(row, "subject", ("", 0))
        request = None
        if "install" in row:
            request = Request(
                install=self._texts(row, "install", ("", 0)),
                exclude=self._texts(row, "exclude", ("", 0)),
                architecture=self._choice(
                    row, "architecture", Architecture, Architecture.X86_64, ("", 0)
                ),
                weak=self._flag(row, "weak", ("", 0), default=False),
                remove=self._texts(row, "remove", ("", 0)),
                update=self._texts(row, "update", ("", 0)),
                update_all=self._flag(row, "update_all", ("", 0), default=False),
                base=self._text_field(row, "base", ("", 0), default=""),
                modules=self._texts(row, "modules", ("", 0)),
                before=self._count(row, "before", ("", 0)) if "before" in row else None,
            )
        repositories = tuple(
            self._repository(entry, ("repositories", number))
            for number, entry in enumerate(self._list(row, "repositories"))
        )
        packages = self._pins(row, "packages", {entry.id for entry in repositories})
        tools = self._pins(row, "tools", None)
        answers = tuple(
            self._answer(entry, ("answers", number))
            for number, entry in enumerate(self._list(row, "answers"))
        )
        installed = self._text_field(row, "installed", ("", 0), _DIGEST, default="")
        removed = self._texts(row, "removed", ("removed", 0))
        newest = self._count(row, "newest", ("newest", 0))
        self._problems.raise_any()
        lock = Lock(
            subject, request, repositories, packages, tools, answers, installed, removed, newest
        )
        # As it was written, or in another form of the same.
        if _digest(self._text.split("\n")[3:-2]) != digest and _digest(_body(lock)) != digest:
            what = "its digest does not fit the rest of it: it was changed by hand, or a merge"
            self._wrong(("digest", 0), f"{what} put it together from two")
            self._problems.raise_any()
        return lock

    def _answer(self, data: object, where: tuple[str, int]) -> tuple[str, str]:
        row = self._object(data, where, {"item", "package"}, {"item", "package"})
        item = self._text_field(row, "item", where)
        return item, self._text_field(row, "package", where, _NAME)

    def _repository(self, data: object, where: tuple[str, int]) -> LockedRepository:
        flags = {"check_packages", "check_metadata"}
        known = {"id", "kind", "pin", "priority", "keys", "exclude", "include", "revision"} | flags
        row = self._object(data, where, known, {"id"})
        priority = row.get("priority", LockedRepository("").priority)
        if type(priority) is not int:
            self._wrong(where, f"priority is {_short(priority)}, not a number")
            priority = 0
        return LockedRepository(
            id=self._text_field(row, "id", where),
            revision=self._text_field(row, "revision", where, default=""),
            kind=self._choice(row, "kind", PackageKind, PackageKind.RPM, where),
            pin=self._choice(row, "pin", PinBy, PinBy.DIGEST, where),
            check_packages=self._flag(row, "check_packages", where, default=True),
            check_metadata=self._flag(row, "check_metadata", where, default=False),
            keys=self._texts(row, "keys", where),
            priority=priority,
            exclude=self._texts(row, "exclude", where),
            include=self._texts(row, "include", where),
        )

    def _pins(self, row: dict[str, Any], key: str, known: set[str] | None) -> tuple[Pin, ...]:
        pins: list[Pin] = []
        seen: dict[tuple[str, str, str, str], int] = {}
        for number, entry in enumerate(self._list(row, key)):
            where = (key, number)
            pin = _plain_pin(entry) or self._pin(entry, where)
            if pin.key in seen:
                self._wrong(where, f"{pin.nevra} is pinned twice")
            seen[pin.key] = number
            if known is not None and pin.repository not in known:
                self._wrong(where, f"repository {pin.repository!r} is not declared in the lock")
            pins.append(pin)
        return tuple(pins)

    def _pin(self, data: object, where: tuple[str, int]) -> Pin:
        row = self._object(data, where, _PIN_KNOWN, _PIN_NEEDED)
        size, unpacked = (self._count(row, key, where) for key in ("size", "unpacked"))
        texts = {
            key: self._text_field(row, key, where, pattern)
            for key, pattern in (
                ("name", _NAME),
                ("evr", _WORD),
                ("arch", _WORD),
                ("repository", _REPOSITORY),
            )
        }
        path = self._text_field(row, "path", where)
        if path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
            self._wrong(where, f"path {_short(path)} is not a plain relative path")
        digest = self._text_field(row, "digest", where, _DIGEST, default="")
        content = self._text_field(row, "content", where, _DIGEST, default="")
        if row and not digest and not content:
            self._wrong(where, "neither digest nor content is pinned")
        if digest and content:
            self._wrong(where, "both digest and content are pinned; only one can hold")
        kind = self._choice(row, "kind", PackageKind, PackageKind.RPM, where)
        return Pin(
            **texts,
            path=path,
            kind=kind,
            size=size,
            digest=digest,
            content=content or None,
            unpacked=unpacked,
        )

    # Checks of single values.

    def _count(self, row: dict[str, Any], key: str, where: tuple[str, int]) -> int:
        value = row.get(key, 0)
        if type(value) is not int or not 0 <= value <= _LARGEST:
            self._wrong(where, f"{key} is {_short(value)}, not a number")
            return 0
        return value

    def _object(
        self,
        data: object,
        where: tuple[str, int],
        known: AbstractSet[str],
        needed: AbstractSet[str],
    ) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._wrong(where, "here a mapping in braces should stand")
            return {}
        for key in sorted(data.keys() - known):
            self._wrong(where, f"unknown field {_short(key)}")
        for key in sorted(needed - data.keys()):
            self._wrong(where, f"field {key!r} is missing")
        return data

    def _list(self, row: dict[str, Any], key: str) -> list[Any]:
        value = row.get(key, [])
        if isinstance(value, list):
            return value
        self._wrong((key, 0), f"{key} is not a list")
        return []

    def _text_field(
        self,
        row: dict[str, Any],
        key: str,
        where: tuple[str, int],
        pattern: re.Pattern[str] | None = None,
        default: str | None = None,
    ) -> str:
        value = row.get(key, default)
        if value is None and key not in row:
            return ""  # reported as missing already
        bad = not isinstance(value, str) or (value == "" and key in row)
        if bad or (pattern is not None and value and not pattern.match(str(value))):
            self._wrong(where, f"{key} is {_short(value)}, which is no {key}")
            return ""
        if not str(value).isprintable():
            self._wrong(where, f"{key} has characters that cannot be printed: {_short(value)}")
            return ""
        return str(value)

    def _texts(self, row: dict[str, Any], key: str, where: tuple[str, int]) -> tuple[str, ...]:
        value = row.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(each, str) and each and each.isprintable() for each in value
        ):
            self._wrong(where, f"{key} is not a list of texts")
            return ()
        return tuple(sorted(set(value)))

    def _flag(
        self, row: dict[str, Any], key: str, where: tuple[str, int], *, default: bool
    ) -> bool:
        value = row.get(key, default)
        if not isinstance(value, bool):
            self._wrong(where, f"{key} is {_short(value)}, neither true nor false")
            return default
        return value

    def _choice(
        self, row: dict[str, Any], key: str, kind: type[_E], default: _E, where: tuple[str, int]
    ) -> _E:
        value = row.get(key, default)
        try:
            return kind(value)
        except ValueError:
            self._wrong(where, f"{key} is {_short(value)}, not one of {', '.join(kind)}")
            return default

    def _wrong(self, where: tuple[str, int], what: str) -> None:
        if self._lines is None:
            self._lines = dict(positions(self._text, self._file))
        place = self._lines.get(where, Position(self._file))
        self._problems.add("lock.damaged", f"the lock is damaged: {what}", place, fix=self._fix)


def _plain_pin(row: object) -> Pin | None:
    """A pin in which nothing is wrong or odd, by one look; None for any other, which is judged
    field by field. An unchanged build reads some five hundred.
    """
    if type(row) is not dict or not row.keys() <= _PIN_KNOWN:
        return None
    by_content, size, unpacked = "content" in row, row.get("size", 0), row.get("unpacked", 0)
    if by_content == ("digest" in row) or type(size) is not int or not 0 <= size <= _LARGEST:
        return None
    if type(unpacked) is not int or not 0 <= unpacked <= _LARGEST:
        return None
    try:
        digest = row["content" if by_content else "digest"]
        texts = row["name"], row["evr"], row["arch"], row["repository"], row["path"]
        if not _PLAIN_PIN.fullmatch("\n".join((*texts, digest))):
            return None
        kind = _KINDS[row.get("kind", "rpm")]
    except (KeyError, TypeError):
        return None
    of_file, content = ("", digest) if by_content else (digest, None)
    return Pin(*texts, kind, size, of_file, content, unpacked)
