"""The lock of a distribution against an archive that forgets: what is gone moves, with its reason,
and everything else stays as it is.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from debian_archive import SmallArchive, certificates
from dockyard.cli.distro import command
from dockyard.distro.load import load_distro
from dockyard.distro.lock import read_lock
from dockyard.errors import DockyardError
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb import archive as archives
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.origins import Origins

DISTRO = """\
name: small
version: "1"
epoch: 1767225600
upstream: {debian: {suites: [{name: stable}]}}
components: [all.yaml]
packages: [base.yaml]
dropRequires: [debconf]
"""
BASE = "{name: base, version: 1, summary: s, license: MIT, provides: [virtual-base]}\n"
COMPONENTS = """\
components:
  kernel:
    follows: linux-image-cloud
    import: linux-image-{abi}
    rename: kernel
  ssh:
  libssl:
  libcrypto:
  tar:
"""
PACKAGES = {
    "linux-image-cloud": ("6.1-1", {"Depends": "linux-image-6.1-cloud (= 6.1-1)"}),
    "linux-image-6.1-cloud": ("6.1-1", {"Source": "linux"}),
    "ssh": ("1", {"Depends": "libssl (>= 1), debconf, virtual-base"}),
    "libssl": ("1", {"Source": "openssl"}),
    "libcrypto": ("1", {"Source": "openssl"}),
    "tar": ("1", {}),
}
Packages = dict[str, tuple[str, dict[str, str]]]


class Place:
    """A distribution, its store, and its archive."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp = tmp_path
        self.root, self.distro, self.store = (tmp_path / each for each in ("a", "distro", "store"))
        self.distro.mkdir()
        (self.distro / "distro.yaml").write_text(DISTRO)
        (self.distro / "base.yaml").write_text(BASE)
        (self.distro / "all.yaml").write_text(COMPONENTS)
        self.publish(PACKAGES)

    def publish(self, packages: Packages) -> None:
        """Publish these packages and no others."""
        if self.root.exists():
            self.root.rename(self.tmp / f"past-{len(list(self.tmp.iterdir()))}")
        self.add_suite("stable", packages)

    def add_suite(self, suite: str, packages: Packages) -> None:
        small = SmallArchive(self.root, suite)
        for name, (version, fields) in packages.items():
            small.add(name, version, **fields)
        small.publish()

    def run(self, *options: str) -> Result:
        places = ["--store", str(self.store), "--debian-mirror", self.root.as_uri()]
        return CliRunner().invoke(command, ["lock", str(self.distro), *places, *options])

    def changed(self, *options: str) -> list[str]:
        """What a run says of changes."""
        result = self.run(*options)
        assert result.exit_code == 0, result.exception
        return result.stdout.splitlines()[:-1]

    def refused(self, *options: str) -> DockyardError:
        error = self.run(*options).exception
        assert isinstance(error, DockyardError)
        return error

    @property
    def versions(self) -> dict[str, str]:
        return {pin.name: pin.evr for pin in read_lock(load_distro(self.distro)).packages}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(archives, "archive_certificates", lambda: tuple(certificates()))
    place = Place(tmp_path)
    assert place.changed()
    return place


def test_a_lock_pins_the_package_that_is_followed(place: Place) -> None:
    assert place.versions == {
        "linux-image-6.1-cloud": "6.1-1",
        "ssh": "1",
        "libssl": "1",
        "libcrypto": "1",
        "tar": "1",
    }
    assert place.run().stderr == ""


@pytest.mark.parametrize("options", [(), ("--refresh-missing",)])
def test_nothing_changes_while_the_archive_stays(place: Place, options: tuple[str, ...]) -> None:
    before = (place.distro / "distro.lock").read_bytes()
    assert place.changed(*options) == []
    assert (place.distro / "distro.lock").read_bytes() == before


def test_what_is_gone_moves_and_says_why(place: Place) -> None:
    later: Packages = {
        **PACKAGES,
        "linux-image-cloud": ("6.2-1", {"Depends": "linux-image-6.2-cloud (= 6.2-1)"}),
        "linux-image-6.2-cloud": ("6.2-1", {"Source": "linux"}),
        "ssh": ("2", {"Depends": "libssl (>= 2), libnew | libold, virtual-base"}),
        "libssl": ("2", {"Source": "openssl"}),
        "libcrypto": ("2", {"Source": "openssl"}),
        "libnew": ("1", {}),
    }
    del later["linux-image-6.1-cloud"]
    before = (place.distro / "distro.lock").read_text().splitlines()
    place.publish(later)
    result = place.run("--refresh-missing")
    assert result.stdout.splitlines()[:-1] == [
        "linux-image-6.1-cloud 6.1-1 -> linux-image-6.2-cloud 6.2-1 "
        "(nobody has 6.1-1 any more; linux-image-cloud needs it now)",
        "libcrypto 1 -> 2 (nobody has 1 any more)",
        "libssl 1 -> 2 (nobody has 1 any more)",
        "ssh 1 -> 2 (nobody has 1 any more)",
    ]
    assert result.stderr.startswith(
        "warning: ssh needs libnew or libold, which no component gives: add the component libnew\n"
        "what would meet all of this"
    )
    assert place.versions["linux-image-6.2-cloud"] == "6.2-1"
    (tar,) = [line for line in before if '"name": "tar"' in line]
    assert tar in (place.distro / "distro.lock").read_text().splitlines()


def _keep(place: Place, *names: str) -> None:
    """Bring the files of some pins into the store."""
    lock = lockfile.load(place.distro / "distro.lock")
    pins = [pin for pin in lock.packages if pin.name in names]
    fetch_pins(pins, Blobs(place.store / "blobs"), Origins((place.root.as_uri(),)))


def test_what_the_store_has_stays_but_its_source_moves_together(place: Place) -> None:
    _keep(place, "libcrypto", "linux-image-6.1-cloud")
    later: Packages = {
        **PACKAGES,
        "linux-image-cloud": ("6.2-1", {"Depends": "linux-image-6.2-cloud (= 6.2-1)"}),
        "linux-image-6.2-cloud": ("6.2-1", {"Source": "linux"}),
        "libssl": ("2", {"Source": "openssl"}),
        "libcrypto": ("2", {"Source": "openssl"}),
        "tar": ("2", {}),
    }
    del later["linux-image-6.1-cloud"]
    kept = place.root / "pool/main/t/tar/tar_1_amd64.deb"
    data = kept.read_bytes()
    place.publish(later)
    kept.write_bytes(data)
    assert place.changed("--refresh-missing") == [
        "libcrypto 1 -> 2 (it goes with libssl)",
        "libssl 1 -> 2 (nobody has 1 any more)",
    ]
    assert place.versions["linux-image-6.1-cloud"] == "6.1-1"
    assert place.versions["tar"] == "1"


def test_what_a_moved_package_needs_newer_moves_too(place: Place) -> None:
    _keep(place, "libssl", "tar")
    place.publish(
        {
            **PACKAGES,
            "ssh": ("2", {"Depends": "libssl (>= 2), virtual-base", "Breaks": "tar (<< 2)"}),
            "libssl": ("2", {"Source": "openssl"}),
            "tar": ("2", {}),
        }
    )
    assert place.changed("--refresh-missing") == [
        "libssl 1 -> 2 (ssh needs libssl (>= 2))",
        "ssh 1 -> 2 (nobody has 1 any more)",
        "tar 1 -> 2 (ssh does not go with tar 1)",
    ]


def test_a_new_component_is_pinned_without_moving_others(place: Place) -> None:
    (place.distro / "all.yaml").write_text(COMPONENTS + "  extra:\n")
    kept = place.root / "pool/main/t/tar/tar_1_amd64.deb"
    data = kept.read_bytes()
    place.publish({**PACKAGES, "tar": ("2", {}), "extra": ("1", {"Depends": "nothing"})})
    kept.write_bytes(data)
    result = place.run("--refresh-missing")
    assert result.stdout.splitlines()[:-1] == ["added extra_1_amd64 from debian:stable:main"]
    assert "extra needs nothing, which no component gives: no suite has it" in result.stderr


def test_what_is_needed_is_told_to_the_last_package_at_once(place: Place) -> None:
    (place.distro / "all.yaml").write_text(COMPONENTS + "  editor:\n")
    place.publish(
        {
            **PACKAGES,
            "editor": ("1", {"Depends": "liba, tar"}),
            "liba": ("1", {"Depends": "libb (>= 1), libc2 | libc"}),
            "libb": ("1", {"Depends": "liba, data"}),
            "libc": ("1", {}),
            "data": ("1", {"Depends": "lost"}),
        }
    )
    said = place.run().stderr
    for line in (
        "editor needs liba, which no component gives: add the component liba",
        "liba (to be added) needs libb (>= 1), which no component gives: add the component libb",
        "liba (to be added) needs libc2 or libc, which no component gives: add the component libc",
        "libb (to be added) needs data, which no component gives: add the component data",
        "data (to be added) needs lost, which no component gives: no suite has it",
    ):
        assert f"warning: {line}" in said
    assert "all.yaml" in said and f"{place.distro}/distro.yaml" in said
    assert said.rstrip().endswith("\n  data:\n  liba:\n  libb:\n  libc:")


def test_a_suite_that_is_only_named_gives_what_names_it(place: Place) -> None:
    place.add_suite("testing", {name: ("9", {}) for name in ("ssh", "tar", "libssl")})
    both = "[{name: stable}, {name: testing, onlyNamed: true}]"
    (place.distro / "distro.yaml").write_text(DISTRO.replace("[{name: stable}]", both))
    assert place.changed() == []
    declared = COMPONENTS.replace("  tar:\n", "  tar: {suite: testing}\n")
    (place.distro / "all.yaml").write_text(declared)
    with pytest.raises(DockyardError) as caught:
        read_lock(load_distro(place.distro))
    (problem,) = caught.value.problems
    assert problem.code == "distro.lock-stale"
    assert problem.why == "not in the lock: testing/tar; no longer declared: tar"
    for options in (("--refresh-missing",), ()):
        place.run(*options)
        assert (place.versions["tar"], place.versions["ssh"]) == ("9", "1")


def test_a_suite_that_is_not_declared_is_named(place: Place) -> None:
    declared = COMPONENTS.replace("  tar:\n", "  tar: {suite: sid}\n")
    (place.distro / "all.yaml").write_text(declared)
    with pytest.raises(DockyardError) as caught:
        load_distro(place.distro)
    assert [problem.code for problem in caught.value.problems] == ["distro.unknown-suite"]


def test_without_the_option_everything_moves(place: Place) -> None:
    place.publish({**PACKAGES, "tar": ("2", {})})
    assert place.changed() == ["tar 1 -> 2"]
    assert place.versions["tar"] == "2"


def test_what_the_archive_has_no_more_is_told_at_its_component(place: Place) -> None:
    later = {name: found for name, found in PACKAGES.items() if name not in ("tar", "libssl")}
    place.publish(later)
    before = (place.distro / "distro.lock").read_bytes()
    error = place.refused("--refresh-missing")
    assert {(problem.code, problem.what) for problem in error.problems} == {
        ("distro.unknown-package", "no suite has the package libssl"),
        ("distro.unknown-package", "no suite has the package tar"),
    }
    assert str(error.problems[0].where).endswith("all.yaml:7:3")
    assert (place.distro / "distro.lock").read_bytes() == before


def test_two_patterns_of_one_package_are_refused(place: Place) -> None:
    again = '  again: {import: "linux-image-{abi}", rename: again}\n'
    (place.distro / "all.yaml").write_text(COMPONENTS + again)
    (problem,) = place.refused().problems
    assert problem.code == "distro.ambiguous-import"
    assert "linux-image-6.1-cloud fits kernel and again" in problem.what
