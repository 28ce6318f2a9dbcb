"""A file given for one of another kind is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import load_image
from dockyard.config.kinds import FileKind, kind_of
from dockyard.distro.load import load_distro
from dockyard.distro.lock import read_lock
from dockyard.errors import DockyardError, Problem
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock
from dockyard.packages import lockfile
from dockyard.tools.trees import require_whole

ROOT = Path(__file__).parents[2]


def refused(read: object, path: Path) -> Problem:
    with pytest.raises(DockyardError) as caught:
        read(path)  # type: ignore[operator]
    [problem] = caught.value.problems
    assert problem.code == "config.wrong-kind"
    return problem


def test_every_file_of_the_project_is_of_its_own_kind() -> None:
    locks = [
        *sorted(ROOT.glob("examples/*/*.lock")),
        *sorted(ROOT.glob("distros/*/distro*.lock")),
        *sorted(ROOT.glob("src/dockyard/data/tools*.lock"), reverse=True),
    ]
    assert len(locks) > 3
    for path in locks:
        assert kind_of(path.read_text()) is FileKind.LOCK
        lockfile.load(path)  # whole, as its own digest says
    for path in sorted(ROOT.glob("examples/*/image.yaml")):
        assert kind_of(path.read_text()) is FileKind.IMAGE
    for architecture in Architecture:
        distro = load_distro(ROOT / "distros/harbor", architecture)
        assert kind_of(distro.files[0].read_text()) is FileKind.DISTRO
        read_lock(distro)  # fits what is declared
    for lock in locks[-2:]:
        require_whole(lockfile.load(lock).packages)  # of all that tools.yaml wants


def test_an_image_file_given_as_distro_and_the_reverse(tmp_path: Path) -> None:
    image, distro = tmp_path / "web.yaml", tmp_path / "distro.yaml"
    image.write_text("distro: x\nos:\n  hostname: a\n")
    distro.write_text("name: small\nversion: '9'\nrepositories: []\n")
    assert f"{image} is an image file, not a distribution" == refused(load_distro, image).what
    assert f"{distro} is a distribution, not an image file" == refused(load_image, distro).what


def test_a_lock_given_as_image_names_the_image_beside_it(tmp_path: Path) -> None:
    lock = tmp_path / "web.lock"
    lock.write_text(lockfile.dump(Lock("web")))
    assert "image file, such as" in refused(load_image, lock).fix
    lock.with_suffix(".yaml").write_text("os: {}\n")
    assert refused(load_image, lock).fix == f"name the image file beside it: {tmp_path}/web.yaml"
    assert "is a lock, not a distribution" in refused(load_distro, lock).what
