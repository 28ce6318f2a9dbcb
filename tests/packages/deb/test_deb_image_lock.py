"""`dockyard lock` on images of Debian packages: what is chosen, verified, moved and refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from debian_archive import SmallArchive, key
from dockyard.cli.fetch import command as fetch
from dockyard.cli.lock import command
from dockyard.config.bundled import bundled_distros
from dockyard.distro.header import read_header
from dockyard.errors import DockyardError
from dockyard.model.packages import DebRepository, Lock, LockedRepository, PackageKind, Pin
from dockyard.packages import locking as locks
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.image_lock import certificates_of, open_repositories
from dockyard.packages.deb.repository import deb_repositories
from dockyard.packages.deb.system import DebSystem
from dockyard.packages.origins import Origins

UBUNTUS = ("ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04")
TOOL = "sha256:" + hashlib.sha256(b"a tool").hexdigest()
DISTRO = """\
name: debian
version: "13"
archive:
  suites:
    - {{name: stable, baseurl: archive}}
  signedBy: [{signer}]
  keys: archive.asc
"""


class Desk:
    """An archive, a distribution of it, and an image file."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.image = place / "web.yaml"
        self.path = place / "web.lock"
        certificate = key("archive").extract_certificate()
        self.fingerprint = certificate.fingerprint.upper()
        (place / "distro").mkdir()
        (place / "distro/archive.asc").write_bytes(bytes(certificate))
        self.distro(DISTRO.format(signer=self.fingerprint))
        self.file("server")

    def distro(self, text: str) -> None:
        (self.place / "distro/distro.yaml").write_text(text)

    def file(self, *install: str, more: str = "") -> None:
        text = "distro: distro\nos:\n  packages:\n    install:\n"
        self.image.write_text(text + "".join(f"    - {item!r}\n" for item in install) + more)

    def publish(self, *packages: str, signer: str = "archive") -> None:
        """Publish these (`name version; Field: value; …`) and no others."""
        root = self.place / "distro/archive"
        shutil.rmtree(root, ignore_errors=True)
        small = SmallArchive(root)
        for text in packages:
            head, *fields = (part.strip() for part in text.split(";"))
            name, version = head.split()
            given = dict(field.split(": ", 1) for field in fields)
            small.add(name, version, **{field.replace("-", "_"): given[field] for field in given})
        small.publish(signer=signer)

    def lock(self, *arguments: str) -> Result:
        words = [str(self.image), "--store", str(self.place / "store"), *arguments]
        return CliRunner().invoke(command, words)

    @property
    def held(self) -> Lock:
        return locks.load(self.path)

    @property
    def names(self) -> list[str]:
        return [pin.name for pin in self.held.packages]

    def refused(self, *arguments: str) -> list[str]:
        result = self.lock(*arguments)
        assert isinstance(result.exception, DockyardError), result.output
        return [problem.code for problem in result.exception.problems]


PACKAGES = (
    "base-files 1; Essential: yes; Priority: required; Pre-Depends: awk",
    "gawk 1; Provides: awk; Priority: optional",
    "mawk 1; Provides: awk; Priority: required",
    "login 1; Priority: required",
    "apt 1; Priority: required; Depends: libc (>= 2)",
    "libc 2; Priority: optional",
    "nano 1; Priority: important",
    "server 1:2-1; Depends: gone | helper (>= 1); Recommends: extra",
    "helper 1",
    "extra 1",
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    tool = Pin("tool", "1", "amd64", "stable", "pool/t.deb", PackageKind.DEB, 6, TOOL)
    path = tmp_path / "tools.lock"
    repository = LockedRepository("stable", PackageKind.DEB)
    path.write_text(locks.dump(Lock("tools", None, (repository,), (tool,))))
    monkeypatch.setenv("DOCKYARD_TOOLS_LOCK", str(path))
    made = Desk(tmp_path)
    made.publish(*PACKAGES)
    return made


def test_an_image_has_the_base_and_what_it_asks_for_but_nothing_recommended(desk: Desk) -> None:
    assert "7 packages" in desk.lock().stdout
    assert desk.names == ["apt", "base-files", "helper", "libc", "login", "mawk", "server"]
    [repository] = desk.held.repositories
    assert (repository.id, repository.kind) == ("debian:stable:main", PackageKind.DEB)
    assert repository.check_metadata and not repository.check_packages
    assert repository.keys == (desk.fingerprint,)
    server = desk.held.packages[-1]
    assert (server.evr, server.arch, server.kind) == ("1:2-1", "amd64", PackageKind.DEB)
    file = desk.place / "distro/archive" / server.path
    assert server.digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    before = desk.path.read_bytes()
    assert "unchanged" in desk.lock().stdout
    assert desk.path.read_bytes() == before
    assert str(desk.place) not in before.decode()


@pytest.mark.parametrize(
    ("base", "names"),
    [
        ("essential", ["base-files", "helper", "mawk", "server"]),
        ("important", ["apt", "base-files", "helper", "libc", "login", "mawk", "nano", "server"]),
    ],
)
def test_a_distribution_says_what_the_base_is(desk: Desk, base: str, names: list[str]) -> None:
    desk.lock()
    desk.distro(DISTRO.format(signer=desk.fingerprint) + f"  base: {base}\n")
    # The choice of another base is another request: the lock does not fit any more.
    assert desk.refused("--refresh-missing") == ["lock.stale"]
    desk.lock()
    assert desk.names == names


def test_an_image_leaves_out_what_it_removes_unless_it_is_essential(desk: Desk) -> None:
    desk.file("server", more="    remove: [apt, login]\n")
    desk.lock()
    assert desk.names == ["base-files", "helper", "mawk", "server"]
    desk.file("server", more="    remove: [base-files]\n")
    assert desk.refused() == ["debian.no-package"]


def test_what_is_asked_for_may_be_a_version_or_what_is_provided(desk: Desk) -> None:
    desk.publish(*PACKAGES, "postfix 3; Provides: mail-agent", "server 3-1; Depends: helper")
    desk.file("server=1:2-1", "mail-agent")
    desk.lock()
    assert {"postfix", "helper"} <= set(desk.names)
    assert [pin.evr for pin in desk.held.packages if pin.name == "server"] == ["1:2-1"]
    assert desk.held.answers == (
        ("mail-agent", "postfix"),
        ("server=1:2-1", "server"),
    )
    assert locks.unmet(desk.held) == []


def test_every_package_that_is_not_there_is_told_where_it_was_asked_for(desk: Desk) -> None:
    desk.file("servr", "nothing")
    result = desk.lock()
    assert isinstance(result.exception, DockyardError)
    found = {
        str(problem.where).rpartition("/")[2]: problem for problem in result.exception.problems
    }
    assert set(found) == {"web.yaml:5:7", "web.yaml:6:7"}
    assert found["web.yaml:5:7"].fix == "did you mean server?"


def test_metadata_must_be_signed_by_a_key_that_the_distribution_names(desk: Desk) -> None:
    desk.publish(*PACKAGES, signer="stranger")
    assert desk.refused() == ["debian.bad-signature"]
    # The key is known, but is not among those that may sign.
    both = bytes(key("archive").extract_certificate()) + bytes(
        key("stranger").extract_certificate()
    )
    (desk.place / "distro/archive.asc").write_bytes(both)
    assert desk.refused() == ["debian.bad-signature"]
    stranger = key("stranger").extract_certificate().fingerprint.upper()
    desk.distro(DISTRO.format(signer=stranger))
    assert desk.lock().exit_code == 0
    assert desk.held.repositories[0].keys == (stranger,)


def test_a_fingerprint_that_no_file_of_keys_has_is_told(desk: Desk) -> None:
    desk.distro(DISTRO.format(signer="0" * 40))
    assert desk.refused() == ["debian.no-such-key"]
    desk.distro(DISTRO.format(signer=desk.fingerprint).replace("archive.asc", "other.asc"))
    assert desk.refused() == ["debian.no-such-key"]
    (desk.place / "distro/other.asc").write_text("no keys")
    assert desk.refused() == ["debian.no-such-key"]
    # Without files of its own it is one of Debian's, which come with Dockyard.
    desk.distro(DISTRO.format(signer=desk.fingerprint).replace("  keys: archive.asc\n", ""))
    assert desk.refused() == ["debian.no-such-key"]


def test_only_what_is_gone_moves(desk: Desk) -> None:
    desk.lock()
    before = {pin.name: pin for pin in desk.held.packages}
    later = [text.replace("server 1:2-1", "server 1:2-2") for text in PACKAGES]
    later = [text.replace("login 1", "login 2") for text in later]
    (desk.place / "distro/archive/pool/main/l/login").rename(desk.place / "kept")
    desk.publish(*later)
    # The old login can still be had, the old server cannot.
    for file in (desk.place / "kept").iterdir():
        shutil.copy(file, desk.place / "distro/archive/pool/main/l/login" / file.name)
    assert "1 changed" in desk.lock("--refresh-missing").stdout
    after = {pin.name: pin for pin in desk.held.packages}
    assert after["server"].evr == "1:2-2"
    assert {name for name in after if after[name] != before[name]} == {"server"}
    assert "unchanged" in desk.lock("--refresh-missing").stdout


def test_what_was_asked_for_and_is_in_the_archive_no_more_is_an_error(desk: Desk) -> None:
    desk.lock()
    before = desk.path.read_bytes()
    desk.publish(*(text for text in PACKAGES if not text.startswith("server")))
    assert desk.refused("--refresh-missing") == ["debian.no-package"]
    assert desk.path.read_bytes() == before


def test_what_debian_packages_cannot_do_is_refused_by_name(desk: Desk) -> None:
    more = "    snapshotTime: 2025-06-01\n    removePackageManager: true\n"
    desk.file("server", more=more)
    assert desk.refused() == ["build.no-snapshot-time", "build.manager-stays"]
    desk.file("server")
    (desk.place / "rpms").mkdir()
    assert desk.refused("--rpm-source", str(desk.place / "rpms")) == ["repository.not-rpm"]


def test_suites_of_several_archives_are_one_choice(desk: Desk) -> None:
    other = desk.place / "distro/security"
    small = SmallArchive(other, suite="stable-security")
    small.add("server", "1:2-1+deb13u1", Depends="helper")
    small.publish()
    first = "    - {name: stable, baseurl: archive}\n"
    text = DISTRO.format(signer=desk.fingerprint)
    more = "    - {name: stable-security, baseurl: security}\n"
    desk.distro(text.replace(first, first + more))
    desk.lock()
    [server] = [pin for pin in desk.held.packages if pin.name == "server"]
    assert (server.evr, server.repository) == ("1:2-1+deb13u1", "debian:stable-security:main")


def test_an_archive_without_an_address_is_the_hosts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DISTRO.format(signer=desk.fingerprint).replace(", baseurl: archive", "")
    desk.distro(text)
    assert desk.lock("--debian-mirror", str(desk.place / "distro/archive")).exit_code == 0
    assert "server" in desk.names


def security(desk: Desk) -> Path:
    """A security archive beside the desk's, in whose distribution it has a name, not an address."""
    place = desk.place / "elsewhere/security"
    small = SmallArchive(place, suite="stable-security")
    small.add("server", "1:2-1+deb13u1", Depends="helper")
    small.publish()
    first = "    - {name: stable, baseurl: archive}\n"
    more = "    - {name: stable-security, archive: safe}\n"
    desk.distro(DISTRO.format(signer=desk.fingerprint).replace(first, first + more))
    return place


def test_an_archive_that_a_distribution_names_is_where_the_user_says(desk: Desk) -> None:
    place = security(desk)
    result = desk.lock()
    assert isinstance(result.exception, DockyardError)
    [problem] = result.exception.problems
    assert (problem.code, "stable-security" in (problem.why or "")) == ("debian.no-archive", True)
    assert "--debian-mirror safe=ADDRESS" in (problem.fix or "")
    assert desk.lock("--debian-mirror", f"safe={place}").exit_code == 0
    [server] = [pin for pin in desk.held.packages if pin.name == "server"]
    assert (server.evr, server.repository) == ("1:2-1+deb13u1", "debian:stable-security:main")
    assert str(desk.place) not in desk.path.read_text()


def test_an_image_does_without_a_suite_by_saying_so(desk: Desk) -> None:
    security(desk)
    desk.file("server", more="    withoutSuites: [stable-security]\n")
    assert desk.lock().exit_code == 0
    assert [each.id for each in desk.held.repositories] == ["debian:stable:main"]
    # To take it in again is to choose anew.
    desk.file("server")
    assert desk.refused("--refresh-missing") == ["lock.stale"]
    desk.file("server", more="    withoutSuites: [stable-security, other, stable]\n")
    assert desk.refused() == ["build.no-such-suite", "build.no-suite-left"]


def test_ubuntus_definitions_are_taken_from_where_the_user_says(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = desk.place / "elsewhere/ubuntu"
    bundled = bundled_distros()["ubuntu-24.04"]
    signer = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
    text = (bundled / "distro.yaml").read_text()
    assert signer in text
    desk.distro(text.replace(signer, desk.fingerprint).replace("ubuntu-archive-2018", "test"))
    (desk.place / "distro/keys").mkdir()
    shutil.move(desk.place / "distro/archive.asc", desk.place / "distro/keys/test.asc")
    for suite in ("noble", "noble-updates", "noble-security"):
        small = SmallArchive(place, suite, ("main", "universe"))
        if suite == "noble":
            small.add("base-files", "13ubuntu10", Essential="yes", Priority="required")
            small.add("server", "1-1", component="universe")
        if suite == "noble-security":
            small.add("server", "1-1ubuntu0.1", component="universe", suffix=".zst")
        small.publish(codename="noble")
    assert desk.refused() == ["debian.no-archive"]
    monkeypatch.setenv("DOCKYARD_DEBIAN_MIRROR", f"ubuntu={place}")
    assert desk.lock().exit_code == 0, desk.lock().exception
    assert {pin.name: pin.repository for pin in desk.held.packages} == {
        "base-files": "ubuntu:noble:main",
        "server": "ubuntu:noble-security:universe",
    }


@pytest.mark.parametrize("name", ["debian-12", "debian-13", *UBUNTUS])
def test_the_keys_of_bundled_definitions_are_at_hand(name: str) -> None:
    header = read_header(bundled_distros()[name])
    for each in deb_repositories(
        DebSystem().repositories(header.distro, header.directory, Path("none"), Origins())
    ):
        assert not each.base_urls
        assert {cert.fingerprint.upper() for cert in certificates_of(each)} == set(each.signed_by)


def test_what_a_lock_pins_is_fetched_from_where_the_distribution_says(desk: Desk) -> None:
    # An address has no place for the colon of an epoch in a file's name, nor has any archive.
    desk.publish(*(text.replace("1:2-1", "2-1") for text in PACKAGES))
    desk.lock()
    words = ["--into", str(desk.place / "mirror"), "--store", str(desk.place / "store")]
    assert Blobs(desk.place / "store/blobs").add_bytes(b"a tool") == TOOL
    # The Debian archive of the host has none of it.
    done = CliRunner().invoke(fetch, [str(desk.path), *words, "--debian-mirror", str(desk.place)])
    assert done.exit_code == 0, done.exception
    mirror = Blobs(desk.place / "mirror")
    assert all(mirror.has(pin.digest) for pin in desk.held.packages)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (
            "{archive}family: fedora-41\ndocumentReader: man-db\n"
            "repositories: [{id: a, baseurl: b}]",
            {"distro.kind", "distro.family", "distro.document-reader"},
        ),
        ("{archive}  base: extra\n", {"config.unknown-value"}),
        ("{archive}family: plan9\n", {"distro.family"}),
        (
            "{name: a, version: 1, archive: {suites: [], signedBy: []}}",
            {"distro.no-suite", "distro.unsigned"},
        ),
        (
            "{name: a, version: 1, archive: {suites: [{name: b}], signedBy: [abc]}}",
            {"distro.fingerprint"},
        ),
        (
            "{name: a, version: 1, archive: {signedBy: [], suites: "
            "[{name: b}, {name: b, components: []}, {name: b}]}}",
            {"distro.declared-twice", "distro.no-component", "distro.unsigned"},
        ),
    ],
)
def test_mistakes_of_an_archive_are_told(desk: Desk, text: str, codes: set[str]) -> None:
    desk.distro(text.replace("{archive}", DISTRO.format(signer=desk.fingerprint)))
    assert set(desk.refused()) == codes


def test_the_key_of_one_archive_does_not_sign_for_another_at_the_same_place(desk: Desk) -> None:
    other = key("other").extract_certificate()
    (desk.place / "other.asc").write_bytes(bytes(other))
    address = ((desk.place / "distro/archive").as_uri(),)
    good = DebRepository(
        "one:stable:main",
        "stable",
        "main",
        base_urls=address,
        keys=(str(desk.place / "distro/archive.asc"),),
        signed_by=(desk.fingerprint,),
    )
    vendors = DebRepository(
        "two:stable:main",
        "stable",
        "main",
        base_urls=address,
        keys=(str(desk.place / "other.asc"),),
        signed_by=(other.fingerprint.upper(),),
    )
    access = Access.of_store(desk.place / "store")
    open_repositories((good,), access)
    with pytest.raises(DockyardError, match="not signed by a key that may sign it"):
        open_repositories((good, vendors), access)
