"""Variables of an image file: what they are, and their values put where `${{ name }}` stands.

    os:
      hostname: node-${{ number }}            part of a text
      packages: {install: "${{ packages }}"}  the whole value: a list, a number, true or false
    `$${{` stands for `${{` itself.

A file's variables are its own, and so are the `${{` in it: where a file has no variables, profiles
and matrix, no text is changed. A file that others build on takes the values that they have for the
variables that it declares.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace

from dockyard.config.decode import Decoder
from dockyard.config.report import Report
from dockyard.config.source import Mapping, Node, Scalar, Sequence
from dockyard.config.span import Span
from dockyard.errors import Problem, Problems
from dockyard.model.nearest import nearest
from dockyard.model.variants import PROFILE, VARIANT, Variable, VariableType

Value = tuple[str, ...]

_STANDS_FOR = re.compile(r"\$\$\{\{|\$\{\{\s*(?P<name>[^{}]*?)\s*\}\}|\$\{\{")
# What says which values there are has none itself.
_NOT_IN = ("variables", "matrix", "baseConfigs")
_LITERAL = "$${{"


@dataclass(frozen=True)
class Chosen:
    """What is chosen for one image of a file.

    values: of variables, by name, as the command line says them. profiles: names, in order. axes:
    the value of each axis of the matrix.
    """

    values: Map[str, Value] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    axes: Map[str, str] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """The image among those of the matrix; empty where there is none."""
        return "-".join(self.axes.values())

    @property
    def label(self) -> str:
        """What tells the image from others of its file; empty for the plain one."""
        return "-".join((*self.axes.values(), *self.profiles))

    @property
    def record(self) -> str:
        """What tells the image from every other of its file, values that were said included."""
        said = "".join(f"{name}={','.join(value)};" for name, value in sorted(self.values.items()))
        return self.label + (f"@{hashlib.sha256(said.encode()).hexdigest()[:16]}" if said else "")

    @property
    def all_values(self) -> dict[str, Value]:
        """The values of variables that are not left to the files."""
        axes = {name: (value,) for name, value in self.axes.items() if name != PROFILE}
        return {**self.values, **axes}

    @property
    def all_profiles(self) -> tuple[str, ...]:
        """The profiles that are put on top: that of the matrix first."""
        return (*([self.axes[PROFILE]] if PROFILE in self.axes else []), *self.profiles)


NOTHING = Chosen()


def said(words: Iterable[str]) -> dict[str, Value]:
    """The values that `--set name=value` gives. Raises DockyardError with every mistake."""
    found: dict[str, Value] = {}
    problems = Problems()
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            problems.add(
                "config.set", f"{word!r} is no name and value", fix="write --set name=value"
            )
        elif name in found:
            problems.add("config.set", f"--set gives {name} twice", fix="give it once")
        else:
            found[name] = (value,)
    problems.raise_any()
    return found


Declared = dict[str, tuple[Variable | None, Span]]


def declared(root: Node, file: str) -> Declared:
    """The variables that a file declares, and where; None for one that is wrong. The mistakes are
    told by who reads the file.
    """
    found = {}
    variables = root.get("variables") if isinstance(root, Mapping) else None
    for key, node in variables.entries if isinstance(variables, Mapping) else ():
        found[key.text] = (Decoder(Report(), file).read(Variable, node), key.at)
    return found


class Scope:
    """The values of one file's variables.

    None where there is no value: the report has it.
    """

    def __init__(
        self,
        variables: Declared,
        given: Map[str, Value],
        chosen: Chosen,
        report: Report,
    ) -> None:
        self.report = report
        self.axes = chosen.axes
        self.types = {name: variable.type for name, (variable, _) in variables.items() if variable}
        self.values = {
            name: self._value(name, variable, at, given) if variable else None
            for name, (variable, at) in variables.items()
        }
        self.profiles = chosen.all_profiles
        self.variant = chosen.label

    def _value(
        self, name: str, variable: Variable, at: Span, given: Map[str, Value]
    ) -> Value | None:
        value = given.get(name, variable.default)
        if value is None:
            self.report.add(
                "config.variable-unset",
                f"the variable {name} has no value",
                at,
                fix=f"give it a `default`, or say --set {name}=VALUE",
            )
            return None
        if variable.type is VariableType.LIST and name in given:
            value = tuple(each for text in value for each in text.split(",") if each)
        if name in given and (what := variable.wrong(value)):
            # What stands in the names of images is no secret.
            shown = ",".join(value) if name in self.axes else "a value that it cannot have"
            self.report.add(
                "config.variable-value",
                f"the variable {name} is given {shown}",
                at,
                why=what,
                fix="give it another value",
            )
            return None
        return value

    @property
    def known(self) -> dict[str, Value]:
        """The values that there are, for the files that this one builds on."""
        return {name: value for name, value in self.values.items() if value is not None}

    def holds(self, when: Node | None) -> bool:
        """Whether all conditions of a base config hold."""
        if not isinstance(when, Mapping):
            return True
        met = [self._is(key, node) for key, node in when.entries]  # all, for what is wrong in any
        return all(met)

    def _is(self, key: Scalar, node: Node) -> bool:
        items = node.items if isinstance(node, Sequence) else (node,)
        wanted = [each.text for each in items if isinstance(each, Scalar)]
        if key.text == PROFILE:
            return any(each in self.profiles for each in wanted)
        if key.text not in self.values:
            self._unknown(key.text, key.at)
            return False
        return any(each in wanted for each in self.values[key.text] or ())

    def fill(self, root: Node) -> Node:
        """The tree of a file with the values of its variables."""
        if not isinstance(root, Mapping):
            return root
        if not self.values and root.get("matrix") is None and root.get("profiles") is None:
            return root
        entries = tuple(
            (key, node if key.text in _NOT_IN else self._filled(node)) for key, node in root.entries
        )
        return replace(root, entries=entries)

    def _filled(self, node: Node) -> Node:
        if isinstance(node, Mapping):
            return replace(node, entries=tuple((k, self._filled(v)) for k, v in node.entries))
        if isinstance(node, Sequence):
            items: list[Node] = []
            for item in node.items:
                filled = self._filled(item)
                spliced = isinstance(item, Scalar) and isinstance(filled, Sequence)
                items += filled.items if isinstance(filled, Sequence) and spliced else [filled]
            return replace(node, items=tuple(items))
        return self._scalar(node)

    def _scalar(self, node: Scalar) -> Node:
        if "${{" not in node.text:
            return node
        whole = _STANDS_FOR.fullmatch(node.text.strip())
        if whole is not None and whole["name"] is not None:
            return self._whole(whole["name"], node)

        def put(match: re.Match[str]) -> str:
            if match[0] == _LITERAL:
                return _LITERAL[1:]
            name = match["name"]
            if name is None:
                self._unclosed(node.at)
                return ""
            value = self._of(name, node.at)
            if self.types.get(name) is VariableType.LIST:
                self.report.add(
                    "config.variable-list",
                    f"the list {name} cannot be part of a text",
                    node.at,
                    fix="write it as the whole value",
                )
            return "".join(value or ())

        before = len(self.report)
        text = _STANDS_FOR.sub(put, node.text)
        return replace(node, text=text, plain=False, lost=len(self.report) > before)

    def _whole(self, name: str, node: Scalar) -> Node:
        value = self._of(name, node.at)
        if value is None:
            return replace(node, lost=True)
        type_ = self.types.get(name)
        if type_ is VariableType.LIST:
            return Sequence(tuple(Scalar(each, False, node.at) for each in value), node.at)
        plain = type_ in (VariableType.BOOLEAN, VariableType.INTEGER)
        return Scalar(value[0], plain, node.at)

    def _of(self, name: str, at: Span) -> Value | None:
        if name == VARIANT:
            return (self.variant,)
        if name not in self.values:
            self._unknown(name, at)
        return self.values.get(name)

    def _unknown(self, name: str, at: Span) -> None:
        near = next(iter(nearest(name, self.values)), None)
        self.report.add(
            "config.unknown-variable",
            f"there is no variable {name!r}" if name else "a variable has no name",
            at,
            why="a file says which variables it has, in `variables`",
            fix=f"did you mean {near}?" if near else "declare it, or write `$${{` for the text",
        )

    def _unclosed(self, at: Span) -> None:
        self.report.add(
            "config.unknown-variable",
            "a `${{` has no `}}`",
            at,
            fix="write `${{ name }}`, or `$${{` for the text itself",
        )


def unknown_values(chosen: Chosen, known: Iterable[str]) -> list[Problem]:
    """What `--set` or the matrix gives and no file declares."""
    names = sorted(set(known))
    fix = f"the variables are {', '.join(names)}" if names else "declare it in `variables`"
    return [
        Problem(
            "config.unknown-variable",
            f"{'--set' if name in chosen.values else 'the matrix'} gives {name}, "
            "and no file declares such a variable",
            fix=fix,
        )
        for name in chosen.all_values
        if name not in names
    ]
