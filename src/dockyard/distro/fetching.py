"""Brings upstream packages into the store; a step.

What it brings is kept with all that is fetched, by digest (`packages.blobs`); its result only lists
it. So packages that were removed since are fetched by a step that is planned anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockyard.distro.arguments import Fetch
from dockyard.errors import DockyardError, Problem
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.fetching import Fetching

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def fetch_packages(work: Work, wanted: Fetch) -> None:
    """The function of the step."""
    try:
        fetch_pins(wanted.pins, Blobs.of_store(work.store), wanted.origins, Fetching(work.progress))
    except DockyardError as error:
        raise DockyardError(
            *(_mended_here(each, wanted.refresh) for each in error.problems)
        ) from error
    (work.out / "packages").write_text(
        "".join(f"{pin.digest} {pin.nevra}\n" for pin in wanted.pins)
    )


def _mended_here(problem: Problem, refresh: str) -> Problem:
    """What is gone from the archive is mended by the distribution's lock, not by an image's."""
    if problem.code != "fetch.gone":
        return problem
    fix = f"name a mirror that has it with --debian-mirror, or move the pin with: {refresh}"
    return replace(problem, fix=fix)
