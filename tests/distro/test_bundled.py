"""The distributions that come with Dockyard are found by name: in a checkout and in a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dockyard.config import check_files, load_image
from dockyard.config.bundled import bundled_distros, is_name
from dockyard.distro.header import read_header
from dockyard.model.architecture import Architecture
from dockyard.packages.deb.repository import deb_repositories
from dockyard.packages.origins import Origins
from dockyard.packages.system import system_of

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "examples/minimal/image.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "name"),
    [("harbor", True), ("a-b.c", True), ("./harbor", False), ("a/b", False), ("x.yaml", False)],
)
def test_what_may_be_a_name(text: str, name: bool) -> None:
    assert is_name(text) is name


@pytest.mark.parametrize("architecture", Architecture)
@pytest.mark.parametrize("name", ["debian-13", "harbor"])
def test_they_are_for_both_architectures(name: str, architecture: Architecture) -> None:
    header = read_header(bundled_distros()[name], architecture)
    distro = header.distro
    assert distro.every_architecture == tuple(Architecture)
    if distro.archive:
        origins = Origins(("https://mirror",), others=(("debian-security", ("https://security",)),))
        system = system_of(distro.kind)
        found = system.repositories(distro, header.directory, ROOT, origins=origins)
        assert {each.architecture for each in deb_repositories(found)} == {architecture}


def named(place: Path, distro: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    image = place / "image.yaml"
    image.write_text(IMAGE.replace("../../distros/harbor/distro.yaml", distro))
    assert f"distro: {distro}\n" in image.read_text()
    return image


def test_a_bundled_distribution_goes_by_its_name(tmp_path: Path) -> None:
    loaded = load_image(named(tmp_path, "harbor"))
    assert loaded.distro_path == bundled_distros()["harbor"] == ROOT / "distros/harbor"
    assert [each.code for each in check_files(loaded)] == []


def test_a_name_in_a_base_config_is_no_path_beside_it(tmp_path: Path) -> None:
    named(tmp_path / "base", "harbor")
    top = tmp_path / "top.yaml"
    top.write_text("baseConfigs:\n  - path: base/image.yaml\n")
    assert load_image(top).distro_path == bundled_distros()["harbor"]


def test_another_name_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    (problem,) = check_files(load_image(named(tmp_path, "habor")))
    assert (problem.code, "harbor" in problem.why) == ("config.no-such-distro", True)
    (tmp_path / "habor").mkdir()
    assert load_image(named(tmp_path, "habor")).distro_path == tmp_path / "habor"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a wheel's code, which is unpacked far from the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("src", "distros"):
        shutil.copytree(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    shutil.rmtree(source)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(place / "site")
    return {**os.environ, "PYTHONPATH": str(place / "site")}


def run(environment: dict[str, str], directory: Path, *words: str) -> str:
    code = "import dockyard.cli.main as it; print(it.__file__); it.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(environment["PYTHONPATH"])
    return done.stdout


def test_an_installed_wheel_has_the_distributions(
    installed: dict[str, str], tmp_path: Path
) -> None:
    named(tmp_path, "harbor")
    words = ["validate-config", "image.yaml", "--validate-resources", "files"]
    assert "image.yaml: valid\n" in run(installed, tmp_path, *words)
    assert "bash" in run(installed, tmp_path, "distro", "list", "harbor")


@pytest.mark.build
def test_an_installed_wheel_locks_an_image(
    published: Path, installed: dict[str, str], tmp_path: Path
) -> None:
    named(tmp_path, "harbor")
    assert "image.lock" in run(installed, tmp_path, "lock", "image.yaml", "--progress", "quiet")
    ours = (ROOT / "examples/minimal/image.lock").read_text().splitlines()
    theirs = (tmp_path / "image.lock").read_text().splitlines()
    assert [line for line in ours if "harbor-core" in line] == [
        line for line in theirs if "harbor-core" in line
    ]
