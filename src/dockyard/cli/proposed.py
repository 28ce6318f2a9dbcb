"""Commands that messages propose, with the options that the command had which met the problem: a
store, or where packages come from, is not said by the image file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace

import click
from click.core import ParameterSource

from dockyard.errors import Problem

_CARRIED = ("--store", "--rpm-source", "--debian-mirror", "--mirror-dir", "--keys", "--with")
_COMMAND = re.compile(r"dockyard ([a-z-]+)(?: ([a-z-]+))?(?=[ `;,.]|$)")

_last: click.Context | None = None


def remember(context: click.Context) -> None:
    """Take the options of the verb that begins to run."""
    global _last
    _last = context


def with_options(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems whose proposals have the options of the verb that runs, or ran last."""
    if _last is None:
        return tuple(problems)
    context = _last
    return tuple(
        replace(each, fix=_COMMAND.sub(lambda found: _whole(found, context), each.fix))
        for each in problems
    )


def _whole(found: re.Match[str], context: click.Context) -> str:
    """A proposed command with what it takes of the options that were given."""
    top = context.find_root().command
    verb = top.get_command(context, found[1]) if isinstance(top, click.Group) else None
    words = f"dockyard {found[1]}"
    if isinstance(verb, click.Group):
        verb, words = verb.get_command(context, found[2] or ""), found[0]
    if verb is None:
        return found[0]
    taken = {name for option in verb.params for name in option.opts}
    given = [word for name, values in _given(context) if name in taken
             for value in values for word in (name, value)]  # fmt: skip
    rest = found[0][len(words) :]
    return " ".join([words, *map(shlex.quote, given)]) + rest


def _given(context: click.Context) -> Iterable[tuple[str, list[str]]]:
    for option in context.command.params:
        name = option.opts[-1]
        if name not in _CARRIED or option.name is None:
            continue
        if context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            value = context.params[option.name]
            yield name, [str(each) for each in (value if option.multiple else [value])]
