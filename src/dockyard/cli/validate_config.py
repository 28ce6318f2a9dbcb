"""`dockyard validate-config`: read an image file and report every mistake in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dockyard.errors import Problem

_RESOURCES = ("files", "oci", "all")


def _split(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> set[str]:
    chosen = {part.strip() for text in value for part in text.split(",") if part.strip()}
    unknown = sorted(chosen - set(_RESOURCES))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(_RESOURCES)}")
    return chosen


@click.command(name="validate-config")
@click.argument("config", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--config-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The image file; the same as CONFIG.",
)
@click.option(
    "--validate-resources",
    "resources",
    multiple=True,
    callback=_split,
    metavar="files,oci,all",
    help="Also check what the file refers to: local files, images in OCI registries, or both.",
)
@click.option(
    "--build-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for temporary files. Accepted and not needed.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to report: for a person, or as one JSON object on standard output.",
)
def command(
    config: Path | None,
    config_file: Path | None,
    resources: set[str],
    build_dir: Path | None,
    output: str,
) -> None:
    """Check the image file CONFIG, and report every mistake with its place and its mending.

    Files that it builds on (baseConfigs) are checked as well. Nothing is built or changed.
    """
    from dockyard.cli import terminal
    from dockyard.config import LoadedImage, check_files, load_image
    from dockyard.errors import DockyardError, Severity

    if (config is None) == (config_file is None):
        raise click.UsageError("give the image file once: as CONFIG, or with --config-file")
    path = config or config_file
    assert path is not None
    problems: list[Problem] = []
    remarks: list[Problem] = []
    loaded: LoadedImage | None = None
    try:
        loaded = load_image(path)
    except DockyardError as error:
        problems += error.problems
    if loaded is not None and resources & {"files", "all"}:
        for found in check_files(loaded):
            (problems if found.severity is Severity.ERROR else remarks).append(found)
    if loaded is not None and loaded.image.input.image.oci and resources & {"oci", "all"}:
        problems.append(
            loaded.problem(
                "input.image.oci",
                "config.oci-unchecked",
                "whether an image is in its registry cannot be checked yet",
                fix="use --validate-resources files",
            )
        )
    remarks[:0] = loaded.remarks if loaded is not None else ()
    if output == "json":
        _print_json(problems, remarks)
        raise SystemExit(1 if problems else 0)
    if problems:
        raise DockyardError(*problems)
    assert loaded is not None
    terminal.remark(remarks)
    files = len(loaded.files)
    click.echo(f"{path}: valid" + (f" ({files} files)" if files > 1 else ""))


def _print_json(problems: Sequence[Problem], remarks: Sequence[Problem]) -> None:
    import json

    report = {
        "valid": not problems,
        "problems": [_as_json(problem) for problem in problems],
        "remarks": [_as_json(problem) for problem in remarks],
    }
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _as_json(problem: Problem) -> dict[str, object]:
    from dockyard.errors import Position

    where = problem.where
    place = where if isinstance(where, Position) else Position(str(where or ""))
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "what": problem.what,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "why": problem.why,
        "fix": problem.fix,
    }
