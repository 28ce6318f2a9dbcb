"""The `dockyard` command, once `entry` has begun it: finds the verb, runs it, and turns what goes
wrong into one screen of text.

A verb's module is imported when the verb is used, so that `dockyard --help` stays quick. Exit
status: 0 done; 1 it failed, or a check did; 2 the command line itself was wrong; 130 or 143 when
SIGINT or SIGTERM stopped it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from dockyard import __version__
from dockyard.cli import terminal
from dockyard.cli.answer import envelope
from dockyard.cli.customizer_options import with_verb
from dockyard.cli.log import current_log
from dockyard.cli.proposed import with_options
from dockyard.cli.stumble import stumbled
from dockyard.cli.verb import JSON_OPTION, Noun, failure_status, remarks_so_far, usage_problem
from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.conditions import settle

# verb -> (module below dockyard.cli, one line for the list of verbs)
VERBS: dict[str, tuple[str, str]] = {
    "init": ("init", "Write a first image file, by three questions or by options."),
    "build": ("build", "Build the image that a file describes."),
    "plan": ("plan", "Show what build would do, step by step, and why."),
    "lock": ("lock", "Pin every package of an image, and of the tools that make it."),
    "boot": ("boot", "Boot an image in a virtual machine; with --check, prove its settings."),
    "run": ("run", "Boot an image for one command, and end with its status."),
    "shell": ("shell", "Look around in the tree of an image, without booting it."),
    "customize": ("customize", "Apply an image file to an image that exists."),
    "convert": ("convert", "Write the disk of an image in another format."),
    "burn": ("burn", "Write an image to a disk of this machine, and read it back."),
    "inject-files": ("inject_files", "Put files into a finished image, such as signed UKIs."),
    "create": ("create", "Make an image from nothing out of RPMs that are named."),
    "inspect": ("inspect", "Show what an image is: partitions, boot, packages, users."),
    "diff": ("diff", "Show what changed from one image to another."),
    "validate-config": ("validate_config", "Check an image file and report every mistake."),
    "schema": ("schema", "Print the JSON schema of the image file."),
    "distro": ("distro", "Build and look at a distribution: packages and signed repository."),
    "tools": ("tools", "Show, lock or fetch the tools that Dockyard brings along."),
    "store": ("store", "Show what the store has and for whom; keep, prune, verify, move it."),
    "fetch": ("fetch", "Fill a directory that serves as an offline mirror of a lock."),
    "completion": ("completion", "Print what makes a shell complete verbs and options."),
    "doctor": ("doctor", "Check this host, and say how to fix what is missing."),
}


# Objects made between two searches for cycles. What a plan or an archive consists of has none, and
# searching the many of them takes a twentieth of a build.
_OBJECTS_BETWEEN_SEARCHES = 100_000

# What click prints by itself, so that whatever fails is the printing.
_ABOUT = {"-h", "--help", "--version"}


class _Verbs(Noun):
    """A group whose commands are imported when they are used."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a line of Image Customizer's as one of ours."""
        return super().parse_args(ctx, with_verb(args, [*VERBS]))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"dockyard.cli.{VERBS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dockyard")
def dockyard() -> None:
    """Build, verify, launch and keep Linux operating system images.

    An image is one YAML file. Rootless, reproducible to the bit, locked, explained before it acts,
    and proven in a booted machine.
    """


def _say_interrupted() -> None:
    # A terminal shows ^C where the cursor stands, and a live display may have hidden the cursor.
    lead = "\r\033[K\033[?25h" if sys.stderr.isatty() else ""
    line = "interrupted; what was finished is kept, the same command goes on"
    with suppress(OSError):
        click.echo(lead + line, err=True)


def _require_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise DockyardError(
            Problem(
                "host.no-directory",
                "the working directory no longer exists",
                why=error.strerror or str(error),
                fix="change to a directory that exists, with cd",
            )
        ) from error


def main() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)
    atexit.register(gc.freeze)  # or all objects are searched, to free what goes with the process
    settle()
    terminal.choose_colours(None)
    colours = terminal.colours()
    with click.Context(dockyard, color=colours):
        try:
            stopping.listen(_say_interrupted)
            status = _run(colours)
        except stopping.Stopped as stopped:
            stopping.leave(stopped.status)
        except terminal.OutputLost as lost:
            status = 1
            # So that Python does not fail at it again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if not lost.nobody_reads:
                what = f"the answer cannot be written: {lost}"
                terminal.fail(DockyardError(Problem("cli.output", what, "standard output")))
    sys.exit(status)


def _run(colours: bool | None) -> int:
    try:
        _require_directory()
        dockyard.main(prog_name="dockyard", standalone_mode=False, color=colours)
    except DockyardError as error:
        _fail(error)
        return failure_status()
    except click.exceptions.NoArgsIsHelpError as error:
        terminal.say(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        _fail(DockyardError(usage_problem(error)))
        return error.exit_code
    except click.Abort:  # the end of input, where a question waits for an answer
        return 1
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    except terminal.OutputLost:
        raise
    except Exception as error:
        if isinstance(error, OSError) and _ABOUT & set(sys.argv):
            raise terminal.OutputLost(error) from error
        _fail(stumbled(error))
        return failure_status()
    return 0


def _fail(error: DockyardError) -> None:
    """Report an error to the caller."""
    click.get_current_context().color = terminal.colours()  # the verb may have chosen them
    error = DockyardError(*with_options(error.problems))
    log = current_log()
    if JSON_OPTION in sys.argv:
        named = with_verb(sys.argv[1:], [*VERBS])
        words = [word for word in named if not word.startswith("-")]
        told = envelope(
            _verb_in(words),
            ok=False,
            remarks=remarks_so_far(),
            problems=error.problems,
            log=log.written if log else None,
        )
        terminal.say(told)
        return
    terminal.fail(error)
    if log and log.written:
        click.echo(f"log: {log.written}", err=True)


def _verb_in(words: list[str]) -> str:
    """The verb that the words of a command line begin with, with its noun."""
    if not words or words[0] not in VERBS:
        return ""
    command = dockyard.get_command(click.Context(dockyard), words[0])
    nested = isinstance(command, click.Group) and words[1:] and words[1] in command.commands
    return " ".join(words[: 2 if nested else 1])
