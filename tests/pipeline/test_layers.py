"""Settings as a layer: what the image has in their way is told at their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.engine.work import Work
from dockyard.errors import DockyardError, Position
from dockyard.pipeline.arguments import TREE, UPPER, ApplySettings
from dockyard.pipeline.steps.settings import apply_settings
from dockyard.tree.additional import AdditionalFileSetting
from dockyard.tree.every import AnySetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.setting import Tree

PLACE = Position("image.yaml", 3, 5)


@pytest.fixture
def working(tmp_path: Path, namespace: None) -> Work:
    units = tmp_path / "packages" / TREE / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "loop.service").symlink_to("loop.service")
    (tmp_path / "out").mkdir()
    return Work(tmp_path / "out", {"packages": tmp_path / "packages"}, tmp_path)


def run(working: Work, *settings: AnySetting) -> None:
    apply_settings(working, ApplySettings(settings, ("packages",), 1))


def test_a_layer_has_what_its_settings_make(working: Work) -> None:
    run(working, AdditionalFileSetting("/etc/motd", content="hello"))
    assert (working.out / UPPER / "etc/motd").read_text() == "hello"
    assert [path.name for path in working.out.iterdir()] == [UPPER]


def test_what_is_no_file_is_told_at_the_setting(working: Work) -> None:
    with pytest.raises(DockyardError) as caught:
        run(working, ServiceSetting("loop", True, PLACE))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("tree.not-a-file", PLACE)
    assert problem.why == "its links run in circles"


def test_what_is_in_the_way_is_told_at_the_setting(working: Work) -> None:
    class Looking(AdditionalFileSetting):
        def apply(self, tree: Tree) -> None:
            tree.files.read_link("/usr/lib/systemd/system/loop.service/below")

    with pytest.raises(DockyardError) as caught:
        run(working, Looking("/etc/motd", content="", position=PLACE))
    (problem,) = caught.value.problems
    assert problem.where == PLACE
    assert "/usr/lib/systemd/system/loop.service is in the way of: file" in problem.what
    assert problem.why == "Too many levels of symbolic links"
