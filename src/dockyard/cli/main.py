"""The `dockyard` command: finds the verb, runs it, and turns what goes wrong into one screen of
text.

A verb's module is imported when the verb is used, so that `dockyard --help` stays quick. Exit
status: 0 done; 1 it failed, or a check did; 2 the command line itself was wrong; 130 or 143 when
SIGINT or SIGTERM stopped it.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path

import click

from dockyard import __version__
from dockyard.cli import terminal
from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.conditions import settle

# verb -> (module below dockyard.cli, one line for the list of verbs)
VERBS: dict[str, tuple[str, str]] = {
    "build": ("build", "Build the image that a file describes."),
    "plan": ("plan", "Show what build would do, step by step, and why."),
    "lock": ("lock", "Pin every package of an image, and of the tools that make it."),
    "boot": ("boot", "Boot an image in a virtual machine; with --check, prove its settings."),
    "validate-config": ("validate_config", "Check an image file and report every mistake."),
    "schema": ("schema", "Print the JSON schema of the image file."),
    "distro": ("distro", "Build and look at a distribution: packages and signed repository."),
    "tools": ("tools", "Show, lock or fetch the tools that Dockyard brings along."),
    "fetch": ("fetch", "Fill a directory that serves as an offline mirror of a lock."),
    "doctor": ("doctor", "Check this host, and say how to mend what is missing."),
}


class _Verbs(click.Group):
    """A group whose commands are imported when they are used."""

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
                "the working directory is not there any more",
                why=error.strerror or str(error),
                fix="change to a directory that exists, with cd",
            )
        ) from error


def main() -> None:
    """Run the command line of this process and exit."""
    stopping.listen(_say_interrupted)
    settle()
    try:
        _require_directory()
        dockyard.main(standalone_mode=False)
    except DockyardError as error:
        terminal.fail(error)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except stopping.Stopped as stopped:
        stopping.leave(stopped.status)
    except click.Abort:  # the end of input, where a question waits for an answer
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
