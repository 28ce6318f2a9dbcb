"""The images of one file, planned and built together: what they share is made once, and what they
do not share side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.engine.events import Listener, ignore
from dockyard.engine.holds import Hold
from dockyard.engine.run import carry_out
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.errors import DockyardError, Problem
from dockyard.keeping.limit import limit_of, within_limit
from dockyard.keeping.products import LastPlan
from dockyard.pipeline.build import (
    BuiltImage,
    PlannedImage,
    build_image,
    filesystems_of,
    is_written,
)

if TYPE_CHECKING:
    from dockyard.config import LoadedImage


def plan_images(
    images: Sequence[LoadedImage], plan: Callable[[LoadedImage], PlannedImage]
) -> tuple[PlannedImage, ...]:
    """Plan each image. Raises DockyardError with every mistake of any, each once, and where two
    images would be put in one place.
    """
    planned = []
    problems: dict[Problem, None] = {}
    for each in images:
        try:
            planned.append(plan(each))
        except DockyardError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise DockyardError(*problems)
    _require_places(planned)
    return tuple(planned)


def _require_places(planned: Sequence[PlannedImage]) -> None:
    """Raise DockyardError (`build.same-output`) where images would be put in one place."""
    first: dict[str, PlannedImage] = {}
    problems = []
    for each in planned:
        place = os.path.realpath(each.output)  # also where a link leads there
        other = first.setdefault(place, each)
        if other is not each:
            problems.append(
                each.request.loaded.problem(
                    "output.image.path",
                    "build.same-output",
                    f"{each.request.product} would replace {other.request.product}",
                    why=f"both go to {each.output}",
                    fix="let a variable of the matrix stand in output.image.path, or leave it out",
                )
            )
    if problems:
        raise DockyardError(*problems)


def build_images(
    planned: Sequence[PlannedImage],
    store: Store,
    listener: Listener = ignore,
    *,
    jobs: int = 2,
    verify: bool = False,
) -> tuple[BuiltImage, ...]:
    """Run what was planned for all images, and put each where it is wanted; see `build_image`.
    What was removed from the store is told with the last.
    """
    if len(planned) == 1:
        return (build_image(planned[0], store, listener, jobs=jobs, verify=verify),)
    unwritten = [each for each in planned if not is_written(each, store)]
    read = {step: name for each in unwritten for step, name in filesystems_of(each).items()}
    inside = verify or bool(unwritten) or any(each.policy for each in planned)
    changed = [bool(each.plan.to_run) for each in planned]
    goals = {step.id: step for each in planned for step in each.steps.goals}
    last = LastPlan(store, planned[0].record_name)
    with Hold(store) as hold:
        if any(changed):
            limit_of(store.root)  # refused now, not when all is made
        plan = whole_plan(tuple(goals.values()), store, last, read=read)
        carry_out(plan, hold, store, listener, jobs=jobs, inside=inside)
        # All are made; what is left is to write them, which for one image is work for one thread.
        with ThreadPoolExecutor(1 if verify else jobs, "image") as threads:
            placing = [
                threads.submit(
                    build_image, each, store, listener, jobs=jobs, verify=verify, read=True
                )
                for each in planned
            ]
        failed = [error for each in placing if isinstance(error := each.exception(), DockyardError)]
        if failed:
            raise DockyardError(*dict.fromkeys(it for error in failed for it in error.problems))
        given_up = within_limit(store) if any(changed) else None
    *first, last_built = (
        replace(each.result(), changed=new) for each, new in zip(placing, changed, strict=True)
    )
    return (*first, replace(last_built, given_up=given_up))
