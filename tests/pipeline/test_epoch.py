"""The time that an image carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.distro.header import DistroHeader, read_header
from dockyard.errors import DockyardError
from dockyard.model.packages import Lock, LockedRepository
from dockyard.pipeline.source import image_epoch


def distro(root: Path, more: str = "") -> DistroHeader:
    (root / "distro.yaml").write_text(
        "name: small\nversion: '9'\nrepositories:\n  - {id: base, baseurl: x, gpgcheck: false}\n"
        + more
    )
    return read_header(root)


def lock(*revisions: str) -> Lock:
    return Lock(
        "web",
        repositories=tuple(
            LockedRepository(f"r{number}", revision=each) for number, each in enumerate(revisions)
        ),
    )


def test_an_image_has_the_time_of_its_distribution(tmp_path: Path) -> None:
    assert image_epoch(distro(tmp_path, "epoch: 7\n"), lock("1767225600")) == 7
    assert image_epoch(distro(tmp_path, "epoch: 0\n"), lock("1767225600")) == 0


def test_without_one_it_has_that_of_the_newest_metadata(tmp_path: Path) -> None:
    assert image_epoch(distro(tmp_path), lock("1767225600", "1767225601", "3", "")) == 1767225601


@pytest.mark.parametrize("revision", ["", "1", "rawhide", "99999999999"])
def test_and_never_that_of_1970(tmp_path: Path, revision: str) -> None:
    with pytest.raises(DockyardError) as caught:
        image_epoch(distro(tmp_path), lock(revision))
    [problem] = caught.value.problems
    assert problem.code == "build.no-epoch" and problem.where == str(tmp_path / "distro.yaml")
