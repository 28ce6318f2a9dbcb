"""What every verb has in common: `--json`, the log, the answer, and help for misspelt words.

A verb's function returns an `Answer` (or nothing, where the terminal was somebody else's) and never
prints it. `Verb` shows it to a person, or to a program as one JSON object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from dockyard.cli import terminal
from dockyard.cli.answer import Answer, envelope
from dockyard.cli.log import LEAST, LOG_FILE, QUIET, VERBOSE, Log
from dockyard.cli.proposed import remember, with_options
from dockyard.errors import Problem, Severity
from dockyard.model.nearest import nearest

JSON_OPTION = "--json"
_JSON = "dockyard.json"

_remarks: list[Problem] = []
_failures = [1]  # the status of a failure of each verb that ran in this process


class Needing(click.Option):
    """An option that does nothing without another one, and is refused without it."""

    def __init__(self, *names: Any, needs: str, **more: Any) -> None:
        super().__init__(*names, **more)
        self.needs = needs


class Verb(click.Command):
    """A command whose function returns an Answer."""

    def __init__(self, *args: Any, failure: int = 1, **more: Any) -> None:
        """failure: the exit status of one that could not do its work; that of an answer which is no
        is 1.
        """
        super().__init__(*args, **more)
        self.failure = failure
        self.params.append(
            click.Option(
                [JSON_OPTION],
                is_flag=True,
                expose_value=False,
                callback=lambda context, _, value: context.meta.__setitem__(_JSON, value),
                help="Answer with one JSON object on standard output, errors too.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb and show its answer."""
        _remarks.clear()
        remember(ctx)
        _failures.append(self.failure)
        _refuse_idle_options(ctx)
        log = Log.of(ctx)
        with log:
            answer = super().invoke(ctx)
        if isinstance(answer, Answer):
            _show(ctx, answer, log)
        return answer


def _show(ctx: click.Context, answer: Answer, log: Log) -> None:
    if ctx.meta.get(_JSON):
        terminal.say(
            envelope(
                verb_name(ctx),
                ok=answer.passed,
                result=answer.result,
                remarks=remarks_so_far(),
                log=log.written,
            )
        )
    else:
        if answer.text:
            terminal.say(answer.text)
        if answer.logged or not answer.passed or ctx.meta.get(VERBOSE):
            _name_log(ctx, log)
    if not answer.passed:
        raise SystemExit(answer.status)


def _name_log(ctx: click.Context, log: Log) -> None:
    """Say where the log is, where there is one that was not asked for by name."""
    if log.written and not ctx.meta.get(QUIET) and not ctx.meta.get(LOG_FILE):
        terminal.say(f"log: {log.written}", err=True)


def _refuse_idle_options(ctx: click.Context) -> None:
    for option in ctx.command.params:
        if not isinstance(option, Needing) or option.name is None:
            continue
        given = ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given and not ctx.params.get(option.needs.lstrip("-").replace("-", "_")):
            raise click.UsageError(f"{option.opts[-1]} does nothing without {option.needs}", ctx)


def remark(remarks: Sequence[Problem]) -> None:
    """Tell warnings and notes: a person at once, a program with the answer."""
    remarks = with_options(remarks)
    _remarks.extend(remarks)
    if not wants_json():
        terminal.remark([each for each in remarks if _is_told(each)])


def _is_told(problem: Problem) -> bool:
    """Whether a person is told of a remark, by the level that was asked for."""
    context = click.get_current_context(silent=True)
    least = context.meta.get(LEAST) if context else None
    return least is None or (least is Severity.WARNING and problem.severity is Severity.WARNING)


def remarks_so_far() -> tuple[Problem, ...]:
    """What `remark` was told in the verb that runs, or ran last."""
    return tuple(_remarks)


def failure_status() -> int:
    """The exit status of a failure of the verb that runs, or ran last."""
    return _failures[-1]


def wants_json() -> bool:
    """Whether the verb that runs is to answer with JSON."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def verb_name(ctx: click.Context) -> str:
    """The verb with its noun: `distro build`."""
    return " ".join(ctx.command_path.split()[1:]) or ctx.command_path


class Noun(click.Group):
    """A group of verbs that knows near misses."""

    command_class = Verb
    group_class = type

    def __init__(self, *args: Any, default: str = "", **more: Any) -> None:
        """default: the verb that is meant where none is named."""
        super().__init__(*args, **more)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default verb in where none is named."""
        first = args[0] if args else "-"
        if self.default and first.startswith("-") and first not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each verb with the whole first sentence of its help."""
        verbs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, verb.get_short_help_str(200)) for name, verb in verbs.items() if verb]
        with formatter.section("Verbs"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb of the first word, or name those that are spelt like it."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise NoSuchVerb(name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class NoSuchVerb(click.UsageError):
    """A word that is no verb; `near` are the verbs that it may have been meant for."""

    def __init__(self, word: str, verbs: Iterable[str], ctx: click.Context) -> None:
        super().__init__(f"there is no verb {word!r}", ctx)
        self.near = nearest(word, verbs, 3, 0.5)


def usage_problem(error: click.ClickException) -> Problem:
    """A wrong command line as a problem."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "dockyard"
    near: list[str] = []
    what = error.format_message()
    if isinstance(error, NoSuchVerb):
        near = error.near
    elif isinstance(error, click.NoSuchOption):
        near = _near_options(error, context)
        what = f"there is no option {error.option_name}"
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        what = f"{error.param.human_readable_name.upper()} is missing"
        if isinstance(error.param, click.Option):
            what = f"the option {error.param.opts[-1]} is missing"
    meant = f"did you mean {_or(near)}? " if near else _call(error, context)
    what = what[:1].lower() + what[1:].rstrip(".") if what[:2].istitle() else what.rstrip(".")
    return Problem("usage", what, path, fix=f"{meant}See: {path} --help")


def _call(error: click.ClickException, context: click.Context | None) -> str:
    """How a verb is called that takes words by their places, where one is not understood."""
    if context is None or not isinstance(error, click.NoSuchOption | click.MissingParameter):
        return ""
    words = [each.human_readable_name.upper() for each in context.command.params
             if isinstance(each, click.Argument)]  # fmt: skip
    return f"write {context.command_path} {' '.join(words)}. " if words else ""


# What names the files of verbs that take them by options.
_OF_FILES = ("--config-file", "--image", "--image-file")


def _near_options(error: click.NoSuchOption, context: click.Context | None) -> list[str]:
    if context is None:
        return list(error.possibilities or ())
    if error.option_name in _OF_FILES and _call(error, context):
        return []  # what it names is a word of this verb's
    known = [name for each in context.command.get_params(context) for name in each.opts
             if name.startswith("-")]  # fmt: skip
    return nearest(error.option_name, known, 3)


def _or(words: list[str]) -> str:
    return " or ".join(words)
