"""Settings as a layer: what the image has in their way is told at their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockyard.engine.plan import Step, Work
from dockyard.errors import DockyardError, Position
from dockyard.pipeline.layers import TREE, UPPER, layer_step
from dockyard.tree.additional import AdditionalFile
from dockyard.tree.services import Service
from dockyard.tree.setting import Setting, Tree

PLACE = Position("image.yaml", 3, 5)


@dataclass(frozen=True)
class Working:
    """What a step holds, with one result below it."""

    out: Path
    below: Path

    def result(self, step: Step) -> Path:
        return self.below

    def digested(self, digests: Mapping[str, str]) -> None:
        raise AssertionError

    def progress(self, note: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        pass


def nothing(work: Work) -> None:
    raise AssertionError


@pytest.fixture
def working(tmp_path: Path, namespace: None) -> Working:
    units = tmp_path / "packages" / TREE / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "loop.service").symlink_to("loop.service")
    (tmp_path / "out").mkdir()
    return Working(tmp_path / "out", tmp_path / "packages")


def run(working: Working, *settings: Setting) -> None:
    packages = Step("packages", "Install", {}, (), nothing)
    layer_step("settings", "Apply settings", settings, (packages,), 1).work(working)


def test_a_layer_has_what_its_settings_make(working: Working) -> None:
    run(working, AdditionalFile("/etc/motd", content="hello"))
    assert (working.out / UPPER / "etc/motd").read_text() == "hello"
    assert [path.name for path in working.out.iterdir()] == [UPPER]


def test_what_is_no_file_is_told_at_the_setting(working: Working) -> None:
    with pytest.raises(DockyardError) as caught:
        run(working, Service("loop", True, PLACE))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("tree.not-a-file", PLACE)
    assert problem.why == "its links run in circles"


def test_what_is_in_the_way_is_told_at_the_setting(working: Working) -> None:
    class Looking(AdditionalFile):
        def apply(self, tree: Tree) -> None:
            tree.files.read_link("/usr/lib/systemd/system/loop.service/below")

    with pytest.raises(DockyardError) as caught:
        run(working, Looking("/etc/motd", content="", position=PLACE))
    (problem,) = caught.value.problems
    assert problem.where == PLACE
    assert "/usr/lib/systemd/system/loop.service is in the way of: file" in problem.what
    assert problem.why == "Too many levels of symbolic links"
