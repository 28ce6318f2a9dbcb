"""Two images of one file are never put in one place, by whatever name it has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dockyard.config import LoadedImage
from dockyard.config.variants import images_of
from dockyard.errors import DockyardError
from dockyard.pipeline.build import PlannedImage
from dockyard.pipeline.several import plan_images

TEXT = "variables: {a: {}}\nmatrix: {axes: {a: [one, two]}}\nos: {hostname: 'h-${{ a }}'}\n"


def planned(loaded: LoadedImage, output: Path) -> PlannedImage:
    """What of a plan says where the image goes."""
    request = SimpleNamespace(loaded=loaded, product=loaded.chosen.variant)
    return cast(PlannedImage, SimpleNamespace(output=output, request=request))


def test_links_lead_to_one_place(tmp_path: Path) -> None:
    images = images_of(TEXT, tmp_path / "web.yaml")
    (tmp_path / "one").mkdir()

    def plan(loaded: LoadedImage) -> PlannedImage:
        return planned(loaded, tmp_path / loaded.chosen.variant / "web.raw")

    assert len(plan_images(images, plan)) == 2
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(DockyardError) as caught:
        plan_images(images, plan)
    (problem,) = caught.value.problems
    assert problem.code == "build.same-output" and "two would replace one" in problem.what
