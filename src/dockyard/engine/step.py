"""A step: one piece of work with one result, as data.

A step names a function, `module:function`, and holds all that it is called with as JSON values. So
it can be kept, compared, and run by another process or on another machine. It is named by its id:
the hash of its kind, its function and the code behind that, of everything that shapes its output,
and of the ids of the steps whose results it reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from dockyard.engine.code import code_of
from dockyard.engine.codec import encode, identity_of

if TYPE_CHECKING:
    from dockyard.engine.work import Work

A = TypeVar("A")

_OWN_FACTS = ("name", "kind", "title", "group", "function", "identity")
FACT_KEYS = (*_OWN_FACTS, "inputs", "borrowed")
"""What a result says of itself, see `Step.facts`."""


@dataclass(frozen=True)
class Step:
    """One piece of work.

    name: unique in a plan. kind: what sort of step it is; steps of one kind and one group are shown
    as one. title: one line for people. function: `module:function`, called with its Work and its
    arguments. given: those, as JSON or as a dataclass that becomes such. identity: what of them
    shapes the output; a key that changes is named in the reason. inputs: the steps whose results it
    reads. borrowed: further results that it reads, of which an input has every digest: they are
    there when it runs, and do not shape its output. details: lines for `plan`. modules: further
    code that the function comes to by name. pure: Python work without programs, which is done by
    processes of its own. because: why it is planned at all, where what it is ordered with says
    nothing when compared with the last plan: what is fetched is what the store lacks just then.
    """

    name: str
    kind: str
    title: str
    function: str
    given: Any = field(repr=False)
    identity: Mapping[str, Any]
    inputs: tuple[Step, ...] = field(default=(), repr=False)
    borrowed: tuple[Step, ...] = field(default=(), repr=False)
    details: tuple[str, ...] = field(default=(), repr=False)
    group: str = ""
    modules: tuple[str, ...] = ()
    pure: bool = False
    because: str = ""

    @classmethod
    def of(
        cls,
        kind: str,
        title: str,
        function: Callable[[Work, A], None] | str,
        arguments: A,
        inputs: tuple[Step, ...] = (),
        *,
        name: str = "",
        borrowed: tuple[Step, ...] = (),
        details: tuple[str, ...] = (),
        group: str = "",
        modules: tuple[str, ...] = (),
        pure: bool = False,
        because: str = "",
    ) -> Step:
        """The step that calls a function with a dataclass of arguments. function: of a module; by
        its name where the module need not be loaded to plan. name: that of the kind where a plan
        has one step of it.
        """
        if not isinstance(function, str):
            function = f"{function.__module__}:{function.__qualname__}"
        return cls(
            name=name or kind,
            kind=kind,
            title=title,
            function=function,
            given=arguments,
            identity=identity_of(arguments),
            inputs=inputs,
            borrowed=borrowed,
            details=details,
            group=group,
            modules=modules,
            pure=pure,
            because=because,
        )

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """What the function is called with, as JSON values."""
        encoded: Mapping[str, Any] = encode(self.given)
        return encoded

    @cached_property
    def code(self) -> str:
        """The digest of the code that shapes the output."""
        return code_of(self.function.partition(":")[0], *self.modules)

    @cached_property
    def id(self) -> str:
        """The step's id: `<kind>-<40 hexadecimal digits of SHA-256>`."""
        return self._hashed({each.name: each.id for each in self.inputs})

    def key(self, contents: Mapping[str, str]) -> str:
        """The name of its result. contents: the digests of its inputs' contents, by name. Steps
        whose inputs have the same content have the same result, however those were made.
        """
        return self._hashed({each.name: contents[each.name] for each in self.inputs})

    def _hashed(self, inputs: Mapping[str, str]) -> str:
        return key_of(self.kind, self.function, self.code, self.identity, inputs)

    @property
    def needs(self) -> tuple[Step, ...]:
        """All steps whose results are there when it runs."""
        return (*self.inputs, *self.borrowed)

    def facts(self, keys: Mapping[str, str]) -> dict[str, Any]:
        """What its result says of itself. keys: the names of the results that it needs, by the
        steps' names.
        """
        return {
            **{name: getattr(self, name) for name in _OWN_FACTS},
            "inputs": {each.name: keys[each.name] for each in self.inputs},
            "borrowed": {each.name: keys[each.name] for each in self.borrowed},
        }

    @cached_property
    def record(self) -> dict[str, Any]:
        """What is kept of it, so that the next plan can say what changed."""
        return {
            "id": self.id,
            "identity": dict(self.identity),
            "code": f"sha256:{self.code}",
            "inputs": {each.name: each.id for each in self.inputs},
        }


def names_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """The names of steps, by which what reads their results finds them."""
    return tuple(step.name for step in steps)


def key_of(
    kind: str, function: str, code: str, identity: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """`<kind>-<40 hexadecimal digits of SHA-256>` of all that shapes a result. code: the digest of
    the function's. inputs: what identifies them, by name.
    """
    shaped = {
        "kind": kind,
        "function": function,
        "code": code,
        "identity": identity,
        "inputs": inputs,
    }
    text = json.dumps(shaped, sort_keys=True, separators=(",", ":"))
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:40]}"
