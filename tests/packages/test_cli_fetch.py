"""`dockyard fetch` and `dockyard tools` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dockyard.cli.fetch import command as fetch_command
from dockyard.cli.tools import command as tools_command
from dockyard.errors import DockyardError
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs, digest_of

DEB, RPM = b"a package", b"another"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of a Debian package that a mirror has, and of an RPM that is made on the spot."""
    place = tmp_path / "mirror/pool/a.deb"
    place.parent.mkdir(parents=True)
    place.write_bytes(DEB)
    deb = Pin(
        "a",
        "1",
        "amd64",
        "debian:stable:main",
        "pool/a.deb",
        PackageKind.DEB,
        len(DEB),
        digest_of(DEB),
    )
    rpm = Pin("b", "1-1", "x86_64", "harbor", "Packages/b.rpm", content=digest_of(RPM))
    repositories = (LockedRepository("debian:stable:main"), LockedRepository("harbor"))
    path = tmp_path / "image.lock"
    path.write_text(lockfile.dump(Lock("image", None, repositories, (rpm,), (deb,))))
    return path


def run(tmp_path: Path, lock: Path, *more: str) -> Result:
    arguments = [str(lock), "--into", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    mirror = ["--debian-mirror", str(tmp_path / "mirror"), "--progress", "quiet"]
    return CliRunner().invoke(fetch_command, [*arguments, *mirror, *more])


def test_a_directory_is_filled_and_then_serves_alone(tmp_path: Path, lock: Path) -> None:
    first = run(tmp_path, lock)
    assert first.exit_code == 0, first.exception
    assert "1 files, 9 B, 1 new" in first.output
    assert "1 packages of harbor are built on the spot" in first.output
    made_here = tmp_path / "distro.lock"
    made_here.write_text(lockfile.dump(Lock("harbor", None, (), (), ())))
    assert "on the spot" not in run(tmp_path, lock, str(made_here)).output
    assert Blobs(tmp_path / "out").read(digest_of(DEB)) == DEB
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sha256"]

    (tmp_path / "mirror/pool/a.deb").unlink()
    assert "1 files, 9 B, 0 new" in run(tmp_path, lock).output
    other = str(tmp_path / "other")
    again = run(tmp_path, lock, "--into", other, "--mirror-dir", str(tmp_path / "out"))
    assert again.exit_code == 0 and Blobs(Path(other)).has(digest_of(DEB))


def test_what_is_gone_names_the_lock_that_wants_it(tmp_path: Path, lock: Path) -> None:
    (tmp_path / "mirror/pool/a.deb").unlink()
    failed = run(tmp_path, lock)
    assert isinstance(failed.exception, DockyardError)
    (problem,) = failed.exception.problems
    assert (problem.code, problem.where) == ("fetch.gone", str(lock))


MATRIX = """\
distro: distro.yaml
variables: {edition: {}, name: {}}
matrix: {axes: {edition: [small, full]}}
os: {hostname: "${{ name }}", packages: {install: ["${{ edition }}"]}}
"""
DISTRO = (
    'name: own\nversion: "1"\nrepositories: [{id: own, baseurl: [packages], gpgcheck: false}]\n'
)


def test_a_lock_of_some_images_of_a_file_has_its_repositories(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_text(MATRIX)
    (tmp_path / "distro.yaml").write_text(DISTRO)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/b.rpm").write_bytes(RPM)
    digest = digest_of(RPM)
    pin = Pin("b", "1-1", "x86_64", "own", "b.rpm", PackageKind.RPM, len(RPM), digest)
    lock = tmp_path / "image.full.lock"
    lock.write_text(lockfile.dump(Lock("image", None, (LockedRepository("own"),), (pin,))))
    assert isinstance(run(tmp_path, lock).exception, DockyardError)  # `name` has no value
    done = run(tmp_path, lock, "--set", "name=a")
    assert done.exit_code == 0, done.exception
    assert Blobs(tmp_path / "out").read(digest) == RPM


def test_repositories_of_one_name_are_those_of_each_lock(tmp_path: Path) -> None:
    locks = []
    for name, data in (("one", DEB), ("two", RPM)):
        place = tmp_path / name
        (place / "packages").mkdir(parents=True)
        (place / "image.yaml").write_text("distro: distro.yaml\nos: {}\n")
        (place / "distro.yaml").write_text(DISTRO)
        (place / "packages" / f"{name}.rpm").write_bytes(data)
        pin = Pin(
            "b", "1-1", "x86_64", "own", f"{name}.rpm", size=len(data), digest=digest_of(data)
        )
        found = Lock("image", None, (LockedRepository("own"),), (pin,))
        locks.append(place / "image.lock")
        locks[-1].write_text(lockfile.dump(found))
    done = run(tmp_path, locks[0], str(locks[1]))
    assert done.exit_code == 0, done.exception
    assert all(Blobs(tmp_path / "out").has(digest_of(data)) for data in (DEB, RPM))


def test_another_lock_of_tools_can_be_named(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKYARD_TOOLS_LOCK", str(lock))
    answer = json.loads(CliRunner().invoke(tools_command, ["--json"]).output)
    assert answer["result"] == {"lock": str(lock), "packages": []}
