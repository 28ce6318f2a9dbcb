"""Tree -> model: types, unknown keys, rules; every mistake found in one walk.

A value that cannot be read is left out and its place remembered, so that the rules which look
at it stay silent and the others still speak.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from dockyard.config.bundled import is_name
from dockyard.config.report import Report
from dockyard.config.scalars import READERS, Unreadable
from dockyard.config.secrets import without
from dockyard.config.shape import Field, Shape, ValueKind, fields_of
from dockyard.config.source import Mapping, Node, Scalar, Sequence, kind_of
from dockyard.config.span import Span
from dockyard.model.base import ANY, Model, Segment
from dockyard.model.nearest import nearest
from dockyard.model.rules import mistakes

M = TypeVar("M", bound=Model)
Path_ = tuple[Segment, ...]
_Branch: TypeAlias = "dict[Segment | None, _Branch]"
# In a branch: the path that ends here is broken.
_END: Final = None


class _Broken:
    """Stands for a value that could not be read."""


BROKEN: Final = _Broken()


def dotted(path: Iterable[Segment]) -> str:
    """`os.users[0].name` of ("os", "users", 0, "name")."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


class Decoder:
    """Reads one tree. Afterwards `spans` has the place of every value, by its path."""

    def __init__(self, report: Report, main: str) -> None:
        self.report = report
        self.main = main
        self.spans: dict[Path_, Span] = {}
        # The place of every key of a mapping with free names, by its path.
        self.keys: dict[Path_, Span] = {}
        self.broken = UnreadPaths()
        # Where items of a list are left out: the places of those that are kept.
        self.kept: dict[Path_, list[int]] = {}

    def read(self, model: type[M], root: Node) -> M | None:
        """The model, or None when the report has something to say about it."""
        before = len(self.report)
        self.spans[()] = root.at
        value = self.model(model, root, ())
        return value if isinstance(value, model) and len(self.report) == before else None

    def fail(self, at: Span, path: Path_, code: str, what: str, fix: str, why: str = "") -> _Broken:
        self.report.add(code, what, at, why=why, fix=fix)
        self.broken.add(path)
        return BROKEN

    def wrong(self, node: Node, path: Path_, wanted: str, fix: str) -> _Broken:
        """A value of another kind than the key wants."""
        at, key = node.at, self.spans.get(path)
        # A block below its key is not what is wrong; the key does not want it.
        if key is not None and key.position.line < at.position.line:
            at = key
        what = f"{_last(path)} is {kind_of(node)}; {wanted} is wanted"
        return self.fail(at, path, "config.wrong-type", what, fix)

    def value(self, shape: Shape, node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar) and node.lost:
            self.broken.add(path)
            return BROKEN
        match shape.kind:
            case ValueKind.MODEL:
                assert shape.model is not None
                return self.model(shape.model, node, path)
            case ValueKind.LIST:
                return self.list(shape, node, path)
            case ValueKind.MAPPING:
                return self.mapping(shape, node, path)
            case _:
                return self.scalar(shape, node, path)

    def scalar(self, shape: Shape, node: Node, path: Path_) -> Any:
        if not isinstance(node, Scalar):
            fix = f"write `{_last(path, bare=True)}: <value>`"
            return self.wrong(node, path, "one value", fix)
        try:
            value = READERS[shape.kind](node, shape)
        except Unreadable as error:
            return self.fail(
                node.at, path, error.code, error.what.format(key=_last(path)), error.fix, error.why
            )
        if not self.obeys(shape, value, node, path):
            return BROKEN
        if shape.kind == ValueKind.LOCAL_PATH:
            return self.local_path(node, path)
        return value

    def obeys(self, shape: Shape, value: Any, node: Scalar, path: Path_) -> bool:
        """Whether a value keeps the rules of its type; one that it breaks is reported."""
        for rule in shape.rules:
            if wrong := rule.wrong(value):
                self.fail(node.at, path, rule.code, wrong, rule.fix)
                return False
        return True

    def local_path(self, node: Scalar, path: Path_) -> Any:
        text = "" if node.is_null else node.text
        if "\0" in text:
            return self.fail(node.at, path, "config.path", "a path cannot hold NUL", "remove it")
        file = node.at.position.file
        beside = Path(file).absolute().parent / text
        if path == ("distro",) and is_name(text) and not beside.exists():
            return text
        if text.strip() and file != self.main:
            return str(beside)
        return text

    def list(self, shape: Shape, node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar) and node.is_null:
            return ()
        if isinstance(node, Scalar) and shape.one_or_many:
            node = Sequence((node,), node.at)
        if not isinstance(node, Sequence):
            return self.wrong(node, path, "a list", "start each item with `- `")
        assert shape.item is not None
        values, kept = [], []
        for index, child in enumerate(node.items):
            here = (*path, index)
            self.spans[here] = child.at
            if isinstance(child, Scalar) and child.is_null:
                what = "the item is empty"
                self.fail(child.at, here, "config.empty-item", what, "fill or remove it")
                continue
            value = self.value(shape.item, child, here)
            if value is None:
                what = "the item is empty"
                self.fail(child.at, here, "config.empty-item", what, "fill or remove it")
            elif value is not BROKEN:
                values.append(value)
                kept.append(index)
        if len(kept) < len(node.items):
            self.kept[path] = kept
        return tuple(values)

    def mapping(self, shape: Shape, node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar) and node.is_null:
            return {}
        if not isinstance(node, Mapping):
            return self.wrong(node, path, "a mapping", "write one `name: value` per line")
        assert shape.names is not None and shape.item is not None
        values = {}
        for key, child in node.entries:
            here = (*path, key.text)
            self.keys[here] = key.at
            self.spans[here] = (
                child.at if isinstance(child, Scalar) and not child.is_null else key.at
            )
            value = self.value(shape.item, child, here)
            if self.obeys(shape.names, key.text, key, here) and value is not BROKEN:
                values[key.text] = value
        return values

    def model(self, model: type[Model], node: Node, path: Path_) -> Any:
        if isinstance(node, Scalar) and not node.is_null and model.shorthand:
            node = expand_shorthand(model, node)
        if isinstance(node, Scalar) and node.is_null:
            node = Mapping((), node.at)
        if not isinstance(node, Mapping):
            keys = ", ".join(f"`{key}`" for key in fields_of(model))
            fix = f"write `key: value` lines beneath; the keys are {keys}"
            return self.wrong(node, path, "a mapping", fix)
        values = {}
        fields = fields_of(model)
        given = {key.text for key, _ in node.entries}
        absent = {key: field for key, field in fields.items() if key not in given}
        for name in absent if node.partial else ():
            self.broken.add((*path, name))
        for key, child in node.entries:
            here = (*path, key.text)
            field = fields.get(key.text)
            if field is None:
                self.unknown(key, path, absent)
                continue
            self.spans[here] = child.at if isinstance(child, Scalar) and child.text else key.at
            if isinstance(child, Scalar) and child.is_null:
                continue  # a key without a value is a key that is not there
            value = self.value(field.shape, child, here)
            if value is not BROKEN and value is not None:
                values[field.name] = value
        missing = [field for field in fields.values() if field.needed and field.name not in values]
        if missing:
            self.missing(missing, path)
            return BROKEN
        return self.build(model, values, path)

    def missing(self, fields: Iterable[Field], path: Path_) -> None:
        """Report the keys that must be given; those that were, but wrongly, are told already."""
        for field in fields:
            if not self.broken.touches((*path, field.key)):
                what = f"no `{field.key}`" + (f" in {_last(path)}" if path else "")
                self.report.add("config.required", what, self.span(path), fix=f"add `{field.key}`")
        self.broken.add(path)

    def build(self, model: type[Model], values: dict[str, Any], path: Path_) -> Any:
        made = model(**values)
        asked: dict[Path_, bool] = {}
        for mistake in mistakes(made):
            for read in mistake.reads:
                if read not in asked:
                    asked[read] = self.broken.touches(self.written(path, read))
            if not any(asked[read] for read in mistake.reads):
                self.report.add(
                    mistake.code,
                    mistake.what,
                    self.span(self.written(path, mistake.path)),
                    why=mistake.why,
                    fix=mistake.fix,
                    severity=mistake.severity,
                )
        return made

    def written(self, path: Path_, below: Path_) -> Path_:
        """The path of a value in the file, from its path in a model that lacks broken items."""
        for step in below:
            if isinstance(step, int) and step != ANY and path in self.kept:
                step = self.kept[path][step]
            path = (*path, step)
        return path

    def unknown(self, key: Scalar, path: Path_, fields: Map[str, Field]) -> None:
        """Report a key that the model does not have; `fields` are those not given yet."""
        near = next(iter(nearest(key.text, fields)), None)
        if near:  # rules that miss the meant key would only repeat the mistake
            self.broken.add((*path, near))
        self.fail(
            key.at,
            (*path, key.text),
            "config.unknown-key",
            f"unknown key `{without(key.text)}`" + (f" in {_last(path)}" if path else ""),
            "put a blank behind the colon"
            if key.text.partition(":")[0] in fields
            else f"did you mean `{near}`?"
            if near
            else "remove it; keys that could stand here are "
            + ", ".join(f"`{name}`" for name in fields),
        )

    def span(self, path: Path_) -> Span:
        """The place of a value, or of the nearest thing around it that is there."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans[path]


class UnreadPaths:
    """The paths of values that could not be read, as a tree of their segments."""

    def __init__(self) -> None:
        self._root: _Branch = {}

    def add(self, path: Path_) -> None:
        branch = self._root
        for step in path:
            branch = branch.setdefault(step, {})
        branch[_END] = {}

    def touches(self, path: Path_) -> bool:
        """Whether a value at a path, or one around or below it, could not be read."""
        branches = [self._root]
        for step in path:
            if any(_END in branch for branch in branches):
                return True
            if step == ANY:
                branches = [below for branch in branches for below in branch.values()]
            else:
                branches = [branch[step] for branch in branches if step in branch]
        return any(branches)


def expand_shorthand(model: type[Model], node: Scalar) -> Node:
    """The mapping that a bare string stands for."""
    assert model.shorthand is not None
    parts = model.split_shorthand(node.text)
    return Mapping(
        tuple(
            (Scalar(key, True, node.at), Scalar(text, False, node.at))
            for key, text in parts.items()
        ),
        node.at,
    )


def _last(path: Path_, *, bare: bool = False) -> str:
    """The key that a message speaks of."""
    if not path:
        return "the file"
    step = path[-1]
    if isinstance(step, int):
        name = next((part for part in reversed(path) if isinstance(part, str)), "list")
        return name if bare else f"item {step + 1} of `{name}`"
    return step if bare else f"`{step}`"
