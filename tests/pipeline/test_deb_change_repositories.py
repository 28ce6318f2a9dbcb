"""Where the packages of a Debian system in an image come from, by what its own apt says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from debian_archive import certificates
from dockyard.errors import DockyardError
from dockyard.model.architecture import Architecture
from dockyard.packages.deb.apt_sources import sources_in
from dockyard.packages.origins import Origins
from dockyard.pipeline.deb_change_repositories import deb_change_repositories, require_whole
from dockyard.pipeline.installed_debs import KnownDebs

FOLDER = "/usr/share/keyrings"
SOURCE = cast(
    Any,
    SimpleNamespace(
        image="disk.raw",
        family=SimpleNamespace(name="debian"),
        architecture=Architecture.X86_64,
    ),
)


def entry(address: str, key: str, more: str = "") -> str:
    return f"deb [signed-by={FOLDER}/{key}.gpg{more}] {address} stable main\n"


def found(
    place: Path,
    *lines: str,
    given: Origins = Origins(),  # noqa: B008
    without: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    keys = {}
    for name in ("one", "two", "debian-archive-keyring"):
        (place / name).write_bytes(b"".join(map(bytes, certificates(name))))
        keys[f"{FOLDER}/{name}.gpg"] = place / name
    known = KnownDebs("/var/lib/dpkg", "", {"/etc/apt/sources.list": "".join(lines)}, keys)
    packages = SimpleNamespace(without_suites=without)
    loaded = SimpleNamespace(
        distro_path=None, image=SimpleNamespace(os=SimpleNamespace(packages=packages))
    )
    overrides = SimpleNamespace(rpm_sources=(), without_image_repositories=False)
    got = deb_change_repositories(
        cast(Any, loaded), SOURCE, known, cast(Any, overrides), given, place
    )
    return [(each.id, each.base_urls[0]) for each in got]


def refused(place: Path, *lines: str) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        found(place, *lines)
    return [each.code for each in caught.value.problems]


def test_an_archive_does_not_take_the_place_of_another_of_other_keys(tmp_path: Path) -> None:
    first, mirror = entry("https://a.example/x", "one"), entry("https://b.example/x", "one")
    assert found(tmp_path, first, mirror) == [("debian:stable:main", "https://a.example/x")]
    other = entry("https://b.example/x", "two")
    assert refused(tmp_path, first, other) == ["repository.id-twice"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (entry("file:/etc", "one"), "repository.inside-image"),
        (entry("mirror+file:/etc/passwd", "one"), "repository.inside-image"),
        (entry("https://a.example/x", "../../../etc/three", " trusted=yes"), "repository.no-key"),
        ("deb [trusted=yes] https://a.example/x stable main\n", "repository.no-key"),
    ],
)
def test_what_an_image_says_reads_nothing_of_this_machine(
    tmp_path: Path, line: str, code: str
) -> None:
    assert refused(tmp_path, line) == [code]


def test_nothing_is_wrong_with_suites_that_are_left_out(tmp_path: Path) -> None:
    mine = entry("https://a.example/x", "one")
    for bad in (entry("file:/media/disc", "one"), entry("https://b.example/x", "none")):
        other = bad.replace(" stable ", " media ")
        assert len(refused(tmp_path, mine, other)) == 1
        assert found(tmp_path, mine, other, without=("media",)) == [
            ("debian:stable:main", "https://a.example/x")
        ]


def test_a_mirror_stands_for_its_archive_and_for_no_vendor(tmp_path: Path) -> None:
    given = Origins(("file:///mirror",), given=("debian",))
    plain = "deb [signed-by={}] https://a.example/{} stable main\n"
    keyring = f"{FOLDER}/debian-archive-keyring.gpg"
    archive = plain.format(keyring, "debian")
    assert found(tmp_path, archive, given=given) == [("debian:stable:main", "file:///mirror")]
    for line in (plain.format(keyring, "vendor"), entry("https://a.example/debian", "one")):
        (((_, address),)) = found(tmp_path, line, given=given)
        assert address.startswith("https://a.example/")


def test_entries_for_other_processors_and_disabled_ones_are_left_out(tmp_path: Path) -> None:
    mine, other = (entry(f"https://{name}.example/x", "one") for name in ("a", "b"))
    other = other.replace("signed-by", "arch=arm64,armhf signed-by")
    assert found(tmp_path, mine.replace("signed", "arch=amd64 signed"), other) == [
        ("debian:stable:main", "https://a.example/x")
    ]
    text = "types: deb\nuris: https://a.example/x\nsuites: stable\ncomponents: main\nenabled: {}\n"
    assert [len(list(sources_in("a.sources", text.format(word)))) for word in ("no", "yes")] == [
        0,
        1,
    ]


@pytest.mark.parametrize("suite", ["../../other", "a?b", "a/../b", "-x", "a//b"])
def test_a_suite_is_a_name_and_no_way_out_of_the_archive(tmp_path: Path, suite: str) -> None:
    line = entry("https://a.example/x", "one").replace(" stable ", f" {suite} ")
    assert refused(tmp_path, line) == ["repository.odd-name"]


def test_a_database_that_dpkg_would_not_write_is_refused(tmp_path: Path) -> None:
    status = 'Package: x"$(id)"\nVersion: 1\nArchitecture: amd64\nStatus: install ok installed\n'
    with pytest.raises(DockyardError) as caught:
        require_whole(KnownDebs("/var/lib/dpkg", status, {}, {}), SOURCE)
    assert [each.code for each in caught.value.problems] == ["image.packages-malformed"]
