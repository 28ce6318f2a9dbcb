"""`dockyard shell`: look around in the tree of an image, without booting it."""

from __future__ import annotations

from pathlib import Path

import click

from dockyard.cli.bootable import beside_consoles
from dockyard.cli.display import display
from dockyard.cli.fetching import told_step
from dockyard.cli.options import (
    progress_option,
    store_option,
)
from dockyard.cli.run import FAILURE
from dockyard.cli.sought import YAML, Sought, sought_options
from dockyard.cli.verb import Verb, remark, wants_json

_SHELLS = ("/bin/bash", "/bin/sh")


@click.command(cls=Verb, failure=FAILURE)
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("words", metavar="[-- COMMAND...]", nargs=-1)
@click.option("--network", is_flag=True, help="Let programs use this host's network.")
@sought_options
@store_option
@progress_option
def command(
    image: Path,
    words: tuple[str, ...],
    network: bool,
    sought: Sought,
    store: Path,
    progress: str,
) -> None:
    """Open the tree of IMAGE in the sandbox, with a shell or a COMMAND, as its root.

    IMAGE is an image file whose built image is meant, or a disk of any format that `inspect` reads.
    It is not booted: none of its services run. It is not changed either: what is written is thrown
    away at the end. The exit status is that of the shell or the command.
    """
    if wants_json():
        raise click.UsageError("--json does nothing here: the output is that of the command")
    sought.require_file(image.suffix in YAML)
    place = beside_consoles(store) / f"{image.stem}.tree"
    scratch = _scratch(place)
    if image.suffix in YAML:
        found = sought.artefact(image, store, check=False)
        image = found.write(scratch)
    raise SystemExit(_open(image.absolute(), words, network, store, place, progress))


def _scratch(place: Path) -> Path:
    """An empty directory, which is removed when the command ends."""
    from dockyard.host import files, removal
    from dockyard.host.namespace import enter

    scratch = files.part_of(place)

    def remove() -> None:
        enter()  # trees belong to subordinate ids
        removal.remove_tree(scratch)

    scratch.mkdir()
    scratch.chmod(0o755)
    click.get_current_context().call_on_close(remove)
    return scratch


def _open(
    image: Path, words: tuple[str, ...], network: bool, store: Path, place: Path, progress: str
) -> int:
    from dockyard.formats.containers import container_of
    from dockyard.host import files
    from dockyard.host.inside import run_at_terminal
    from dockyard.pipeline.opened_tree import lay_out
    from dockyard.tools.trees import enter_tools

    container_of(image)  # what is no disk is told before any work
    scratch = files.part_of(place)
    tree, unpacked = scratch / "tree", scratch / "unpacked"
    unpacked.mkdir()
    with display(progress) as listener:
        tools = enter_tools(store, listener=listener)
        files.remove_parts(place)  # of runs that were killed
        with told_step(listener, f"Open {image.name}", ""):
            remark(lay_out(image, tree, unpacked, tools))
    shell = next((each for each in _SHELLS if (tree / each[1:]).exists()), _SHELLS[-1])
    return run_at_terminal(tree, words or (shell, "-l"), network=network)
