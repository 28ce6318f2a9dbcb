"""YAML text -> a tree of nodes that know where they stand.

The language is YAML 1.2 without what makes a configuration hard to read: no anchors and aliases,
no tags, no merge keys, no repeated keys, one document per file. Scalars keep their text; whoever
knows the wanted type reads it, so that 0644, 1.10 and 2024-05-20 mean what they look like.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import yaml

from dockyard.config.report import Report
from dockyard.config.span import Span
from dockyard.config.syntax import explain
from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.files import read_regular

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# Deeper than any configuration, shallower than what would exhaust a walk.
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Scalar:
    """lost: an alias stood here, so the value is not known; the report has it."""

    text: str
    plain: bool
    at: Span
    lost: bool = False

    @property
    def is_null(self) -> bool:
        return self.plain and not self.lost and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    at: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """partial: a merge key stood in it, so further keys may be meant."""

    entries: tuple[tuple[Scalar, Node], ...]
    at: Span
    partial: bool = False

    def get(self, key: str) -> Node | None:
        for name, value in self.entries:
            if name.text == key:
                return value
        return None


Node: TypeAlias = Scalar | Sequence | Mapping


def kind_of(node: Node) -> str:
    """What a person calls the node. Never its value, which may be a secret."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    return "nothing" if node.is_null else "a single value"


def read_text(path: Path) -> str:
    """The text of a file; raises a DockyardError that says why it cannot be read."""
    data = b""
    try:
        data = read_regular(path)
        # UTF-16 where a byte-order mark says so (YAML 1.2, section 5.2).
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1 if error.encoding == "utf-8" else 0
        where = Position(str(path), line)
        raise DockyardError(
            Problem("config.not-utf8", "the file is not UTF-8 text", where, fix="save it as UTF-8")
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DockyardError(
            Problem(
                "config.unreadable", "the file cannot be read", str(path), reason, "check the path"
            )
        ) from error


def parse(text: str, file: str, report: Report) -> Node | None:
    """The root node of the first and only document. Mistakes go to the report; None: no tree.

    A tree with mistakes is read on all the same, so that its other mistakes are told as well.
    """
    report.add_source(file, text)
    try:
        return _Builder(file, report).build(text)
    except (yaml.YAMLError, UnicodeError) as error:
        mistake = explain(error, text)
        at = Span(Position(file, mistake.line, mistake.column))
        report.add("config.syntax", mistake.what, at, why=mistake.why, fix=mistake.fix)
        return None


class _Builder:
    """Builds the tree from the parser's events, without recursion."""

    def __init__(self, file: str, report: Report) -> None:
        self.file = file
        self.report = report

    def span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None and end is not None  # the C parser marks every event
        width = end.column - start.column if end.line == start.line else 1
        return Span(Position(self.file, start.line + 1, start.column + 1), max(width, 1))

    def build(self, text: str) -> Node | None:
        root: Node | None = None
        stack: list[tuple[yaml.Event, list[Node]]] = []
        documents = 0
        for event in self.events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self.report.add(
                        "config.several-documents",
                        "the file has a second document",
                        self.span(event),
                        why="only one would be read",
                        fix="keep one document per file; remove the `---`",
                    )
                    return None
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                if len(stack) >= _MAX_DEPTH:
                    self.report.add(
                        "config.too-deep", "too many levels of nesting", self.span(event)
                    )
                    return None
                self.refuse_decoration(event)
                stack.append((event, []))
            else:
                node = self.leaf(event, stack)
                if node is None:
                    continue
                if stack:
                    stack[-1][1].append(node)
                else:
                    root = node
        if root is None or (isinstance(root, Scalar) and root.is_null):
            self.report.add(
                "config.empty-file",
                "the file is empty",
                Span(Position(self.file, 1, 1)),
                fix="write at least one key, such as `os:`",
            )
            return None
        return root

    def events(self, text: str) -> Iterator[yaml.Event]:
        return yaml.parse(text, Loader=_Loader)

    def leaf(self, event: yaml.Event, stack: list[tuple[yaml.Event, list[Node]]]) -> Node | None:
        if isinstance(event, yaml.ScalarEvent):
            self.refuse_decoration(event)
            plain = event.style is None or event.style == ""
            return Scalar(event.value, plain, self.span(event))
        if isinstance(event, yaml.AliasEvent):
            self.report.add(
                "config.alias",
                f"aliases (`*{event.anchor}`) are not supported",
                self.span(event),
                why="a value stands where it is used, so that a reader sees it",
                fix="write the value out",
            )
            return Scalar("", True, self.span(event), lost=True)
        if isinstance(event, yaml.SequenceEndEvent):
            start, children = stack.pop()
            return Sequence(tuple(children), self.span(start))
        if isinstance(event, yaml.MappingEndEvent):
            start, children = stack.pop()
            return self.mapping(children, self.span(start))
        return None

    def refuse_decoration(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self.report.add(
                "config.anchor",
                f"anchors (`&{event.anchor}`) are not supported",
                self.span(event),
                why="a value stands where it is used, so that a reader sees it",
                fix=f"remove `&{event.anchor}` and write the value where it is needed",
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            tag = tag.replace("tag:yaml.org,2002:", "!!")
            self.report.add(
                "config.tag",
                f"tags (`{tag}`) are not supported",
                self.span(event),
                why="the key decides the type of its value",
                fix="remove the tag",
            )

    def mapping(self, children: list[Node], at: Span) -> Mapping:
        pairs = zip(children[::2], children[1::2], strict=True)
        return self.joined(pairs, at)

    def joined(self, pairs: Iterable[tuple[Node, Node]], at: Span) -> Mapping:
        """A mapping of its keys and values; what a key holds that is given twice is joined."""
        entries: dict[str, tuple[Scalar, Node]] = {}
        partial = False
        for key, value in pairs:
            if not isinstance(key, Scalar):
                self.report.add(
                    "config.key", f"{kind_of(key)} cannot be a key", key.at, fix="use a plain word"
                )
            elif key.plain and key.text == "<<":
                partial = True
                self.report.add(
                    "config.merge-key",
                    "merge keys (`<<`) are not supported",
                    key.at,
                    fix="write the keys out, or use `baseConfigs` to share settings",
                )
            elif key.lost:
                partial = True
            elif key.text in entries:
                first, earlier = entries[key.text]
                self.report.add(
                    "config.duplicate-key",
                    f"`{key.text}` is given twice",
                    key.at,
                    why=f"it is already in line {first.at.position.line}",
                    fix="merge the two into one",
                )
                entries[key.text] = (first, self.join(earlier, value))
            else:
                entries[key.text] = (key, value)
        return Mapping(tuple(entries.values()), at, partial)

    def join(self, first: Node, second: Node) -> Node:
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            joined = self.joined((*first.entries, *second.entries), first.at)
            return replace(joined, partial=joined.partial or first.partial or second.partial)
        if isinstance(first, Sequence) and isinstance(second, Sequence):
            return Sequence(first.items + second.items, first.at)
        return first
