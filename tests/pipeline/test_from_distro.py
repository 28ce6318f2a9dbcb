"""What a distribution says of every image that is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.model.distro import Distro
from dockyard.model.packages import Lock, Pin, Request, RpmRepository
from dockyard.pipeline.from_distro import enabled_modules, trusted_keys, wants_documents
from dockyard.tree.additional import AdditionalFileSetting
from model_data import from_data

KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-small"
DISTRO = from_data(
    Distro,
    {
        "name": "small",
        "version": "1",
        "epoch": 0,
        "packages": ["base.yaml"],
        "trustedKey": {"package": "small-repos", "path": KEY},
        "documentReader": "man-db",
    },
)


def lock(*names: str) -> Lock:
    pins = (Pin(name, "1-1", "noarch", "small", f"Packages/{name}.rpm") for name in names)
    return Lock("image", packages=tuple(pins))


@pytest.fixture
def repositories(tmp_path: Path) -> list[RpmRepository]:
    (tmp_path / "key").write_text("the key")
    mine = RpmRepository("team", keys=(str(tmp_path / "another"),))
    return [mine, RpmRepository("small", keys=(str(tmp_path / "key"),))]


def test_an_image_gets_the_key_of_whoever_signed_its_packages(
    repositories: list[RpmRepository],
) -> None:
    (found,) = trusted_keys(DISTRO, lock("small-repos"), repositories, [])
    assert (found.destination, found.mode) == (KEY, 0o644)
    before = found.identity
    Path(repositories[1].keys[0]).write_text("another key")
    (again,) = trusted_keys(DISTRO, lock("small-repos"), repositories, [])
    assert again.identity != before


def test_the_image_files_own_key_goes_before(repositories: list[RpmRepository]) -> None:
    chosen = AdditionalFileSetting(KEY, content="the key of the release team")
    assert [*trusted_keys(DISTRO, lock("small-repos"), repositories, [chosen])] == []
    other = AdditionalFileSetting("/etc/motd", content="")
    assert [*trusted_keys(DISTRO, lock("small-repos"), repositories, [other])]


def test_an_image_that_is_not_updated_needs_no_key(repositories: list[RpmRepository]) -> None:
    assert [*trusted_keys(DISTRO, lock("bash"), repositories, [])] == []


def test_a_repository_without_its_key_is_told(repositories: list[RpmRepository]) -> None:
    (found,) = trusted_keys(DISTRO, lock("small-repos"), repositories, [])
    Path(repositories[1].keys[0]).unlink()
    with pytest.raises(DockyardError):
        _ = found.identity


def test_documentation_is_for_images_that_have_a_reader() -> None:
    assert wants_documents(DISTRO, lock("bash", "man-db"))
    assert not wants_documents(DISTRO, lock("bash"))
    assert wants_documents(replace(DISTRO, document_reader=None), lock("bash"))


def test_streams_that_packages_were_chosen_with_are_enabled_in_the_image() -> None:
    packaging = DISTRO.of_family.packaging
    asked = Request(("nginx",), modules=("nginx:1.24", "php:8.2"), streams=("kept:1",))
    own = AdditionalFileSetting("/etc/dnf/modules.d/php.module", content="mine")
    [found] = enabled_modules(packaging, asked, [own])
    assert found.destination == "/etc/dnf/modules.d/nginx.module"
    said = "[nginx]\nname=nginx\nstream=1.24\nprofiles=\nstate=enabled\n"
    assert (found.content, found.permissions) == (said, 0o644)
    assert list(enabled_modules(packaging, Request(("nginx",)), [])) == []
