"""Plans the build of an image file: what `dockyard plan` shows and `dockyard build` runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine.plan import Plan, make_plan
from dockyard.engine.store import Store
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
    return PlannedImage(request, steps, make_plan(steps.goal, store.has, last))


def record_name(file: Path) -> str:
    """The name of an image file's record: its absolute path, with separators that a name can
    have.
    """
    return "plan-" + str(file.absolute()).strip("/").replace("/", "+")[-200:]
