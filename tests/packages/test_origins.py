"""Options come before the environment, and that before the host's apt."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.packages.origins import Origins

APT = """\
deb http://first.example/debian trixie main
deb http://security.example/debian-security trixie-security main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list").write_text(APT)
    return tmp_path


def test_a_host_without_apt_has_no_archive(tmp_path: Path) -> None:
    origins = Origins.of_host({}, apt=tmp_path / "none")
    with pytest.raises(DockyardError) as caught:
        origins.need_mirrors()
    assert caught.value.problems[0].code == "debian.no-archive"


def test_options_win_over_the_environment_and_that_over_apt(apt: Path, tmp_path: Path) -> None:
    environment = {
        "DOCKYARD_DEBIAN_MIRROR": "http://env.example/debian/",
        "DOCKYARD_MIRROR_DIR": "/m",
    }
    assert Origins.of_host({}, apt=apt).mirrors[0] == "http://first.example/debian"
    from_environment = Origins.of_host(environment, apt=apt)
    assert from_environment.mirrors == ("http://env.example/debian",)
    assert from_environment.offline == (Path("/m"),)
    named = Origins.of_host(environment, debian_mirror=[str(tmp_path)], apt=apt)
    assert named.mirrors == (tmp_path.as_uri(),)


def test_each_archive_is_looked_up_by_itself(apt: Path) -> None:
    environment = {"DOCKYARD_DEBIAN_MIRROR": "http://env.example/d vendor=http://env.example/v"}
    named = ["ubuntu=http://given.example/u/", "vendor=http://given.example/v"]
    origins = Origins.of_host(environment, debian_mirror=named, apt=apt)
    assert origins.archive("debian") == origins.mirrors == ("http://env.example/d",)
    assert origins.archive("ubuntu") == ("http://given.example/u",)
    assert origins.archive("vendor") == ("http://given.example/v",)
    assert origins.archive("debian-security") == ("http://security.example/debian-security",)
    assert origins.archive("elsewhere") == ()
    assert origins.given == ("debian", "ubuntu", "vendor")


def test_mirrors_and_keys_of_rpm_distributions_are_named(apt: Path, tmp_path: Path) -> None:
    environment = {
        "DOCKYARD_RPM_MIRROR": "http://env.example/a/ /b",
        "DOCKYARD_RPM_KEY": "/k:/other",
    }
    found = Origins.of_host(environment, apt=apt)
    assert found.rpm_mirrors == ("http://env.example/a", "file:///b")
    assert found.rpm_keys == (Path("/k"), Path("/other"))
    named = Origins.of_host(environment, rpm_mirror=["http://x"], rpm_keys=[tmp_path], apt=apt)
    assert (named.rpm_mirrors, named.rpm_keys) == (("http://x",), (tmp_path,))
