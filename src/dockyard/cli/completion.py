"""`dockyard completion`: what a shell needs to complete verbs, options and file names."""

from __future__ import annotations

import click

from dockyard.cli.answer import Answer
from dockyard.cli.verb import Verb


@click.command(name="completion", cls=Verb)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> Answer:
    """Print what makes SHELL complete the words of `dockyard`, for its start-up file."""
    from click.shell_completion import get_completion_class

    from dockyard.cli.main import dockyard

    found = get_completion_class(shell)
    assert found is not None
    text = found(dockyard, {}, "dockyard", "_DOCKYARD_COMPLETE").source()
    return Answer(text.strip(), {"shell": shell, "text": text})
