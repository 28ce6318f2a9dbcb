"""`dockyard plan`: say what `dockyard build` would do, step by step, and why. Changes nothing."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.choice import Choice
from dockyard.cli.customization import customization_options, customizes, require_image
from dockyard.cli.display import display
from dockyard.cli.image_options import image_options, output_file_option
from dockyard.cli.input_options import input_of, registries_of
from dockyard.cli.options import disable_repositories_option, origins_of
from dockyard.cli.verb import Verb, remark

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.engine.plan import Decision, Plan
    from dockyard.pipeline.build import PlannedImage

_SHOWN = 3  # steps of a group, or reasons, that are told one by one
_MARKS = {"run": ("▸", "green"), "reuse": ("=", None), "skip": ("·", None)}


@click.command(cls=Verb)
@image_options
@customization_options
@disable_repositories_option
@output_file_option
@click.option("--details", is_flag=True, help="Show the settings within each step as well.")
@click.pass_context
def command(
    context: click.Context,
    image: Path,
    choice: Choice,
    store: Path,
    output_image_format: str | None,
    rpm_source: tuple[Path, ...],
    debian_mirror: tuple[str, ...],
    mirror_dir: tuple[Path, ...],
    image_file: Path | None,
    image_source: str | None,
    image_cache_dir: Path | None,
    disable_base_image_rpm_repos: bool,
    package_snapshot_time: str,
    output_image_file: Path | None,
    details: bool,
) -> Answer:
    """Show what `dockyard build IMAGE` would do, and why; or, where the file or an option names an
    image that exists, what `dockyard customize` would: which packages come, go and change and why,
    what is set, and whether it fits.
    """
    from dockyard.engine.store import Store
    from dockyard.pipeline.build import plan_customization, plan_image, without_damage
    from dockyard.pipeline.overrides import Overrides
    from dockyard.pipeline.several import plan_images

    origins = origins_of(debian_mirror, mirror_dir)
    kept = Store(store)
    given = input_of(image_file, image_source)
    images = choice.all(image)
    if not customizes(images[0], given):
        require_image(context, "disable_base_image_rpm_repos", "package_snapshot_time")

        def plan_one(loaded: LoadedImage) -> PlannedImage:
            return plan_image(
                loaded, kept, origins, output_image_format, rpm_source, output_image_file
            )

        planned_images = plan_images(images, plan_one)
        for each in planned_images:
            each.require_placeable(kept)
        plans = [without_damage(each, kept, mend=False).plan for each in planned_images]
        for each in planned_images:
            remark(each.remarks)
        if len(plans) == 1:
            return Answer(as_text(plans[0], details=details), as_json(plans[0]))
        return _several([each.request.product for each in planned_images], plans, details=details)
    loaded = choice.one(image)
    overrides = Overrides(
        given,
        output=output_image_file,
        output_format=output_image_format,
        rpm_sources=rpm_source,
        without_image_repositories=disable_base_image_rpm_repos,
        snapshot_time=package_snapshot_time,
    )
    registries = registries_of(store, image_cache_dir, "auto")
    with display("auto") as listener:
        planned = plan_customization(loaded, kept, origins, overrides, registries, listener)
    planned.require_placeable(kept)
    plan = without_damage(planned, kept, mend=False).plan
    remark(planned.remarks)
    return _customization(planned, plan, details=details)


def _customization(planned: PlannedImage, plan: Plan, *, details: bool) -> Answer:
    from dockyard.cli import plan_changes
    from dockyard.pipeline.existing_disk import DiskSource

    request = planned.request
    assert isinstance(request.source, DiskSource)
    lines = [*plan_changes.as_text(request, request.source), as_text(plan, details=details)]
    changes = plan_changes.as_json(request, request.source)
    return Answer("\n".join(lines), {**as_json(plan), "changes": changes})


def _several(names: Sequence[str], plans: Sequence[Plan], *, details: bool) -> Answer:
    """The plans of the images of one file; a step that several need is told with the first."""
    lines, facts = [], []
    told: set[str] = set()
    for name, plan in zip(names, plans, strict=True):
        own = tuple(each for each in plan.decisions if each.step.id not in told)
        shared = len(plan.decisions) - len(own)
        lines.append(click.style(name, bold=True))
        if shared:
            lines.append(f"{shared} steps are shared with the images above")
        if any(each in plan.to_run for each in (decision.step for decision in own)):
            lines.append(as_text(replace(plan, decisions=own), details=details))
        else:
            lines.append("it has nothing to run of its own")
        lines.append("")
        told |= {each.step.id for each in plan.decisions}
        facts.append({"name": name, **as_json(plan)})
    run = {step.id for plan in plans for step in plan.to_run}
    lines.append(f"{len(plans)} images: {len(run)} of {len(told)} steps to run")
    return Answer("\n".join(lines), {"images": facts})


def as_json(plan: Plan) -> dict[str, object]:
    """A plan for programs."""
    return {"steps": [_as_json(decision) for decision in plan.decisions]}


def as_text(plan: Plan, *, details: bool = False) -> str:
    """A plan for a person: a reason that all steps have which run is told once, at the end."""
    reasons = [each.reason for each in plan.decisions if each.action.value == "run"]
    shared = reasons[0] if len(reasons) > 1 and len(set(reasons)) == 1 else ""
    lines: list[str] = []
    for same in _together(plan.decisions):
        if len(same) > _SHOWN:
            lines += _group(same, not shared)
        else:
            lines += [line for each in same for line in _lines(each, details, not shared)]
    return "\n".join([*lines, _summary(plan, shared)])


def _together(decisions: Iterable[Decision]) -> Iterable[list[Decision]]:
    """Decisions in order; those of a group that have the same outcome with the first of them."""
    found: dict[tuple[str, str], list[Decision]] = {}
    for each in decisions:
        key = (each.step.group, each.action.value) if each.step.group else (each.step.name, "")
        found.setdefault(key, []).append(each)
    return found.values()


def _group(same: list[Decision], reasons: bool) -> list[str]:
    """Many steps of a group that have the same outcome, as one."""
    name, (mark, colour) = same[0].step.group, _MARKS[same[0].action.value]
    lines = [
        f"{click.style(mark, fg=colour)} {click.style(f'{name} ({len(same)})', dim=not colour)}"
    ]
    told = Counter(each.reason for each in same)
    if len(told) > _SHOWN:
        told = Counter(_without_names(each.reason) for each in same)
    if colour and reasons:
        shown = [reason if count == len(same) else f"{reason} ({count})"
                 for reason, count in told.most_common(_SHOWN)]  # fmt: skip
        lines += _because("; ".join(shown) + ("; …" if len(told) > _SHOWN else ""))
    return lines


def _without_names(reason: str) -> str:
    """A reason that each step of a group has in its own words, as it is said of all of them."""
    return re.sub(r"its input changed: [^;]*", "its input changed", reason)


def _because(reason: str) -> list[str]:
    lead = " " * 4
    return textwrap.wrap(
        f"because {reason}", terminal.width(), initial_indent=lead, subsequent_indent=lead
    )


def _as_json(decision: Decision) -> dict[str, object]:
    step = decision.step
    return {
        "id": step.id,
        "name": step.name,
        "kind": step.kind,
        "title": step.title,
        "group": step.group,
        "action": decision.action.value,
        "reason": decision.reason,
        "unlessSame": decision.unless_same,
        "inputs": [needed.id for needed in step.inputs],
        "details": list(step.details),
    }


def _lines(decision: Decision, details: bool, reasons: bool) -> list[str]:
    mark, colour = _MARKS[decision.action.value]
    title = decision.step.title
    lines = [f"{click.style(mark, fg=colour)} {click.style(title, dim=colour is None)}"]
    if colour and reasons:
        lines += _because(decision.reason)
    if details:
        lines += [f"    - {line}" for line in decision.step.details]
    return lines


def _summary(plan: Plan, shared: str) -> str:
    """shared: the reason that all steps have which run; empty where they differ."""
    run, total = len(plan.to_run), len(plan.decisions)
    if not run:
        return "nothing to do: the store has it all"
    told = f"{run} of {total} steps to run" + (f", each because {shared}" if shared else "")
    unless = sum(each.unless_same for each in plan.decisions)
    if not unless or shared:
        return told
    which = "all" if unless == run else f"{unless} of them"
    return f"at most {told}: {which} only where what they need does not come out as it was"
