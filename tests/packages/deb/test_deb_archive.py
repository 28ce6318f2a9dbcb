"""A suite is believed only as far as its signature reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_archive import SmallArchive, certificates, sign
from dockyard.errors import DockyardError
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import DebianArchive, Suite, archive_certificates
from dockyard.packages.deb.index import open_index

SUITE = Suite("stable")


@pytest.fixture
def small(tmp_path: Path) -> SmallArchive:
    made = SmallArchive(tmp_path / "archive")
    made.add("a", "1.0-1", Depends="b (>= 2)")
    made.add("b", "2.1")
    made.publish()
    return made


def open_archive(small: SmallArchive, tmp_path: Path, *before: str) -> DebianArchive:
    mirrors = (*before, small.root.as_uri())
    return DebianArchive(mirrors, Blobs(tmp_path / "blobs"), certificates=certificates())


def code(small: SmallArchive, tmp_path: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        open_archive(small, tmp_path).packages([SUITE])
    return caught.value.problems[0].code


def test_a_signed_suite_gives_its_packages(small: SmallArchive, tmp_path: Path) -> None:
    files = open_archive(small, tmp_path).packages([SUITE])
    fingerprint = certificates()[0].fingerprint.upper()
    assert [(file.suffix, file.signed_by) for file in files] == [(".xz", (fingerprint,))]
    for _ in range(2):  # made, then from the cache
        index = open_index(files, Blobs(tmp_path / "blobs"), tmp_path / "cache")
        found = index.named("a")[0]
        assert (found.version, found.repository) == ("1.0-1", "debian:stable:main")
        assert found.path == "pool/main/a/a/a_1.0-1_amd64.deb"
        assert (small.root / found.path).stat().st_size == found.size
    assert len(list((tmp_path / "cache").glob("*.solv"))) == 1


def test_a_damaged_cache_is_made_anew(small: SmallArchive, tmp_path: Path) -> None:
    files = open_archive(small, tmp_path).packages([SUITE])
    open_index(files, Blobs(tmp_path / "blobs"), tmp_path / "cache")
    (cached,) = (tmp_path / "cache").glob("*.solv")
    cached.write_bytes(b"SOLV but no more")
    assert open_index(files, Blobs(tmp_path / "blobs"), tmp_path / "cache").named("b")


def test_a_changed_byte_in_the_cache_is_found(small: SmallArchive, tmp_path: Path) -> None:
    files = open_archive(small, tmp_path).packages([SUITE])
    open_index(files, Blobs(tmp_path / "blobs"), tmp_path / "cache")
    (cached,) = (tmp_path / "cache").glob("*.solv")
    whole = cached.read_bytes()
    cached.write_bytes(whole.replace(b"pool/main/a", b"pool/main/x"))
    assert cached.read_bytes() != whole
    (found,) = open_index(files, Blobs(tmp_path / "blobs"), tmp_path / "cache").named("a")
    assert found.path == "pool/main/a/a/a_1.0-1_amd64.deb"
    assert cached.read_bytes() == whole


def test_a_changed_release_is_refused(small: SmallArchive, tmp_path: Path) -> None:
    path = small.root / "dists/stable/InRelease"
    path.write_bytes(path.read_bytes().replace(b"Origin: Tests", b"Origin: Pests"))
    assert code(small, tmp_path) == "debian.bad-signature"


def test_text_outside_the_signature_counts_for_nothing(small: SmallArchive, tmp_path: Path) -> None:
    path = small.root / "dists/stable/InRelease"
    path.write_bytes(path.read_bytes() + b"\nSuite: stable\nSHA256:\n evil\n")
    release = open_archive(small, tmp_path).release("stable")
    assert sorted(release.files) == ["main/binary-amd64/Packages", "main/binary-amd64/Packages.xz"]


def test_an_unsigned_release_is_refused(small: SmallArchive, tmp_path: Path) -> None:
    (small.root / "dists/stable/InRelease").write_bytes(b"Suite: stable\nSHA256:\n")
    assert code(small, tmp_path) == "debian.bad-signature"


def test_the_signature_of_a_stranger_is_refused(small: SmallArchive, tmp_path: Path) -> None:
    small.publish(signer="stranger")
    with pytest.raises(DockyardError) as caught:
        open_archive(small, tmp_path).release("stable")
    assert caught.value.problems[0].code == "debian.bad-signature"
    assert "backtrace" not in str(caught.value.problems[0])


def test_another_suite_with_a_good_signature_is_refused(
    small: SmallArchive, tmp_path: Path
) -> None:
    text = b"Suite: oldstable\nCodename: older\nSHA256:\n"
    (small.root / "dists/stable/InRelease").write_bytes(sign(text))
    assert code(small, tmp_path) == "debian.wrong-suite"


def test_a_codename_names_a_suite_too(small: SmallArchive, tmp_path: Path) -> None:
    text = b"Suite: stable\nCodename: tester\nSHA256:\n"
    (small.root / "dists/tester").mkdir()
    (small.root / "dists/tester/InRelease").write_bytes(sign(text))
    assert open_archive(small, tmp_path).release("tester").codename == "tester"


def test_a_changed_index_is_refused(small: SmallArchive, tmp_path: Path) -> None:
    path = small.root / "dists/stable/main/binary-amd64/Packages.xz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert code(small, tmp_path) == "fetch.digest-mismatch"


def test_a_bad_mirror_is_passed_over(small: SmallArchive, tmp_path: Path) -> None:
    evil = SmallArchive(tmp_path / "evil")
    evil.publish(signer="stranger")
    archive = open_archive(small, tmp_path, "file:///nonexistent", evil.root.as_uri())
    assert archive.packages([SUITE])


def test_a_suite_that_is_nowhere_names_every_mirror(tmp_path: Path) -> None:
    archive = DebianArchive(["file:///one", "file:///two"], Blobs(tmp_path))
    with pytest.raises(DockyardError) as caught:
        archive.release("stable")
    problem = caught.value.problems[0]
    assert problem.code == "debian.no-suite"
    assert [line.split(":///")[1].split("/")[0] for line in problem.excerpt] == ["one", "two"]


def test_an_unknown_component_is_told(small: SmallArchive, tmp_path: Path) -> None:
    with pytest.raises(DockyardError, match="has no contrib"):
        open_archive(small, tmp_path).packages([Suite("stable", "contrib")])


def test_the_certificates_that_are_shipped_can_be_read() -> None:
    assert len(archive_certificates()) == 2


def test_repository_ids_name_suites() -> None:
    assert Suite("trixie").id == "debian:trixie:main"
    assert Suite("trixie-updates", "contrib").id == "debian:trixie-updates:contrib"
