"""The gallery's mistakes in packages and repositories, with repositories of a few packages."""

from __future__ import annotations

import re
from pathlib import Path

from error_pages import DISK_AND_BOOT, Desk, Shown, show
from misbehaving_server import serve
from rpm_repositories import add_rpm, index, write_key

from dockyard.packages.blobs import digest_of_file

_DISTRO = """\
name: small
version: "9"
repositories:
  - id: base
    baseurl: packages
    gpgkey: KEY
    repoGpgcheck: true
"""
_IMAGE = f"""\
name: web
distro: small

{DISK_AND_BOOT}\
  uki:
    mode: create
"""
_ASKED = "  packages:\n    install:\n      - web-server\n"
_LOCK = "dockyard lock web.yaml --progress quiet"
_BUILD = "dockyard build web.yaml --progress quiet"


def _start(desk: Desk, asked: str = _ASKED, distro: str = _DISTRO) -> Path:
    """A distribution with two packages, and an image of it. Gives the repository."""
    packages = desk.root / "small/packages"
    add_rpm(packages, "web-server", "2.1", requires=["libhttp"], signed="owner")
    add_rpm(packages, "libhttp", "1.4", signed="owner")
    index(packages, signed="owner")
    write_key(desk.root / "small/KEY")
    desk.write("small/distro.yaml", distro)
    desk.write("web.yaml", _IMAGE + asked)
    return packages


def test_package_not_found(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    asked = "  packages:\n    install:\n      - web-sever\n"
    _start(desk, asked)
    show(
        desk,
        "package-not-found",
        "A package that does not exist",
        "No repository has a package of this name.",
        [Shown("web.yaml", asked)],
        _LOCK,
        code="solve.not-found",
        place="web.yaml:29:9",
    )


def test_unsatisfiable(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    asked = "  packages:\n    install:\n      - web-server\n      - monitoring\n"
    packages = _start(desk, asked)
    add_rpm(packages, "monitoring", "5", requires=["libhttp >= 2", "agent"], signed="owner")
    add_rpm(packages, "agent", "3", signed="owner")
    index(packages, signed="owner")
    show(
        desk,
        "unsatisfiable",
        "Packages that cannot be installed",
        "A package needs a newer library than any repository has. The reasons are told from what "
        "was asked for to what is missing.",
        [Shown("web.yaml", asked)],
        _LOCK,
        code="solve.unsatisfiable",
        place="web.yaml:30:9",
    )


def test_bad_signature(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    packages = _start(desk)
    add_rpm(packages, "libhttp", "1.4", text="other bytes\n", signed="somebody")
    index(packages, signed="owner")
    desk.must(_LOCK)
    show(
        desk,
        "bad-signature",
        "A package signed by somebody else",
        "The repository's metadata is signed by its owner, but one package carries another key's "
        "signature. No package is installed before all are verified.",
        [Shown("small/distro.yaml", _DISTRO)],
        _BUILD,
        code="lock.bad-signature",
    )


def test_digest_mismatch(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    packages = _start(desk)
    desk.must(_LOCK)
    other = add_rpm(packages, "libhttp", "1.4", text="other bytes\n", signed="owner")
    pinned = re.findall(r"sha256:[0-9a-f]{64}", _pin(desk, "libhttp"))
    desk.hide([digest_of_file(other), *pinned])
    show(
        desk,
        "digest-mismatch",
        "A package that is not the one that was pinned",
        "Somebody replaced a package in the repository without a new version. The lock pins the "
        "bytes, so the build stops.",
        [],
        _BUILD,
        code="fetch.digest-mismatch",
        place="web.lock",
    )


def _pin(desk: Desk, name: str) -> str:
    lock = (desk.root / "web.lock").read_text()
    return next(line for line in lock.splitlines() if f'"{name}"' in line and "sha256" in line)


def test_lock_out_of_date(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _start(desk)
    desk.must(_LOCK)
    asked = _ASKED + "      - libhttp\n"
    desk.write("web.yaml", _IMAGE + asked)
    show(
        desk,
        "lock-out-of-date",
        "A lock that is out of date",
        "The image file asks for one more package than when the lock was made. A build never "
        "chooses packages behind your back.",
        [Shown("web.yaml", asked)],
        "dockyard build web.yaml",
        code="lock.stale",
    )


def test_mirror_down(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    packages = _start(desk, _ASKED.replace("web-server", "libhttp"))
    with serve(packages) as server:
        distro = _DISTRO.replace("baseurl: packages", f"baseurl: {server.address}")
        desk.write("small/distro.yaml", distro)
        desk.must(_LOCK)
        server.cut = 1
        server.down_after = len(server.requests) + 1
        show(
            desk,
            "mirror-down",
            "A mirror that goes down half way",
            "The mirror breaks off in the middle of a package and does not come back. What has "
            "arrived is kept, and the same command goes on from there.",
            [],
            _BUILD,
            code="fetch.mirror-down",
            place="web.lock",
        )
    assert [path.stat().st_size > 0 for path in (desk.root / "store").rglob("*.part")] == [True]


def test_lock_damaged(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _start(desk)
    desk.must(_LOCK)
    lock = desk.root / "web.lock"
    lines = [line for line in lock.read_text().splitlines(True) if '"name": "libhttp"' not in line]
    lock.write_text("".join(lines))
    show(
        desk,
        "lock-damaged",
        "A lock that was changed by hand, or by a merge",
        "Two branches locked different packages, and the merge left out a line. A lock carries "
        "its own digest, so that nothing is built from half of one.",
        [],
        _BUILD,
        code="lock.damaged",
        place="web.lock",
    )


def test_store_in_a_place_that_is_none(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _start(desk)
    desk.write("disk", "")
    desk.environment["DOCKYARD_STORE"] = str(desk.root / "disk/dockyard")
    show(
        desk,
        "store-not-writable",
        "A store that cannot be written",
        "DOCKYARD_STORE names a place where no directory can be made: here below a file, elsewhere "
        "on a file system that is mounted read-only, or in another user's directory.",
        [],
        _LOCK,
        code="host.not-writable",
        place="disk",
    )


def test_store_that_is_another_directory(tmp_path: Path) -> None:
    desk = Desk.make(tmp_path)
    _start(desk)
    desk.write("photos/2026/harbour.jpg", "")
    (desk.root / "photos").chmod(0o755)
    show(
        desk,
        "not-a-store",
        "A store that is another directory",
        "`--store` names a directory that holds something else. A store is closed to other users, "
        "so nothing is touched there.",
        [],
        f"{_LOCK} --store photos",
        code="host.not-a-store",
        place="photos",
    )
    assert (desk.root / "photos").stat().st_mode & 0o777 == 0o755
