"""Plans the build of an image file: what `dockyard plan` shows and `dockyard build` runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dockyard.engine.plan import Plan, Step, make_plan
from dockyard.engine.store import Store
from dockyard.host import namespace
from dockyard.packages.deb.sources import Origins
from dockyard.pipeline.image import ImageSteps, image_steps
from dockyard.pipeline.output import placed_files
from dockyard.pipeline.request import ImageRequest, read_request


@dataclass(frozen=True)
class PlannedImage:
    """An image file that was read and judged, its steps, and what is to be done."""

    request: ImageRequest
    steps: ImageSteps
    plan: Plan

    @property
    def record_name(self) -> str:
        """Under which name the store keeps this plan, for the reasons of the next."""
        return record_name(self.request.loaded.path)


def plan_image(
    file: Path,
    store: Store,
    origins: Origins,
    output_format: str | None = None,
    rpm_sources: Sequence[Path] = (),
) -> PlannedImage:
    """Read an image file and all that it needs, and plan its build. Changes nothing.

    Raises DockyardError with every mistake of the input.
    """
    request = read_request(
        file, store.root, origins, output_format, rpm_sources, placed_files(store)
    )
    steps = image_steps(request)
    last = store.record(record_name(file))
    plan = make_plan(steps.goal, store.has, last, wanted=steps.wanted)
    if plan.to_run:
        # It reads metadata by libraries that an unchanged build need not load.
        from dockyard.pipeline.required import require_parts

        require_parts(request)
    return PlannedImage(request, steps, plan)


def without_damage(
    planned: PlannedImage, store: Store, *, mend: bool = True, whole_image: bool = False
) -> PlannedImage:
    """The same build, planned so that nothing is made of a result that is damaged, or given out.

    What was touched since it was published is read, in the namespace, which this process enters
    then. mend: remove what is damaged, so that the steps that run find its place free.
    whole_image: read all of the image, if it is there: it is to be placed.
    """
    steps, plan = planned.steps, planned.plan
    last = store.record(planned.record_name)
    damaged: dict[str, str] = {}
    looked: set[str] = set()
    while True:
        found = {}
        for step in plan.relied_on(steps.wanted):
            if step.id not in looked:
                whole = whole_image and step.id == steps.artefact.id
                words = _damage(step, store, steps.artefact_name if whole else None)
                found.update({step.id: words} if words else {})
                if words and mend:
                    namespace.enter()
                    store.discard(step)
                looked.add(step.id)
        if not found:
            return replace(planned, plan=plan)
        damaged |= found
        plan = make_plan(steps.goal, store.has, last, wanted=steps.wanted, damaged=damaged)


def _damage(step: Step, store: Store, whole: str | None) -> str:
    """What is wrong with a result. whole: a file of it to be read, touched or not."""
    if not store.untouched(step):
        namespace.enter()
        return store.damage(step)
    if whole is not None and not store.holds(step, whole):
        return f"{whole} has other content"
    return ""


def record_name(file: Path) -> str:
    """The name of an image file's record: its absolute path, with separators that a name can
    have.
    """
    return "plan-" + str(file.absolute()).strip("/").replace("/", "+")[-200:]
