"""`dockyard plan`: say what `dockyard build` would do, step by step, and why. Changes nothing."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.cli.image_options import image_options, origins_of

if TYPE_CHECKING:
    from dockyard.engine.plan import Decision, Plan

_MARKS = {"run": ("▸", "green"), "reuse": ("=", None), "skip": ("·", None)}


@click.command()
@image_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option("--details", is_flag=True, help="Show the settings within each step as well.")
def command(
    image: Path,
    store: Path,
    progress: str,
    output_image_format: str | None,
    rpm_source: tuple[Path, ...],
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    as_json: bool,
    details: bool,
) -> None:
    """Show what `dockyard build IMAGE` would do, and why."""
    from dockyard.engine.store import Store
    from dockyard.pipeline.build import plan_image, without_damage

    origins = origins_of(debian_mirror, mirror_dir)
    kept = Store(store)
    planned = plan_image(image, kept, origins, output_image_format, rpm_source)
    plan = without_damage(planned, kept, mend=False).plan
    terminal.remark(planned.request.remarks)
    if as_json:
        click.echo(json.dumps([_as_json(d) for d in plan.decisions], indent=1))
        return
    for decision in plan.decisions:
        _show(decision, details)
    _summary(plan)


def _as_json(decision: Decision) -> dict[str, object]:
    step = decision.step
    return {
        "id": step.id,
        "kind": step.kind,
        "title": step.title,
        "action": decision.action.value,
        "reason": decision.reason,
        "inputs": [needed.id for needed in step.inputs],
        "details": list(step.details),
    }


def _show(decision: Decision, details: bool) -> None:
    mark, colour = _MARKS[decision.action.value]
    title = decision.step.title
    click.echo(f"{click.style(mark, fg=colour)} {click.style(title, dim=colour is None)}")
    if colour:
        lead = " " * 4
        click.echo(
            textwrap.fill(
                f"because {decision.reason}", 100, initial_indent=lead, subsequent_indent=lead
            )
        )
    if details:
        for line in decision.step.details:
            click.echo(f"    - {line}")


def _summary(plan: Plan) -> None:
    run, total = len(plan.to_run), len(plan.decisions)
    if not run:
        click.echo("nothing to do: the image is in the store")
    else:
        click.echo(f"{run} of {total} steps to run")
