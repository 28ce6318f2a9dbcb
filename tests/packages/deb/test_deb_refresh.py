"""Only what is gone moves, with what it needs; everything else stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_archive import SmallArchive, certificates
from dockyard.errors import DockyardError
from dockyard.model.packages import Lock, Request
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb import archive as archives
from dockyard.packages.deb.archive import Suite
from dockyard.packages.deb.pins import fetch_pins, locked_repository, open_suites, pin
from dockyard.packages.deb.refresh import refresh_missing
from dockyard.packages.deb.solve import Wish, solve
from dockyard.packages.origins import Origins

SUITE = Suite("stable")


class Host:
    """A store, and an archive that forgets."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp = tmp_path
        self.store = tmp_path / "store"
        self.root = tmp_path / "archive"

    @property
    def origins(self) -> Origins:
        return Origins((self.root.as_uri(),), (self.tmp / "offline",))

    def publish(self, *packages: tuple[str, str, dict[str, str]]) -> None:
        """Publish these packages and no others."""
        if self.root.exists():
            self.root.rename(self.tmp / f"past-{len(list(self.tmp.iterdir()))}")
        small = SmallArchive(self.root)
        for name, version, fields in packages:
            small.add(name, version, **fields)
        small.publish()

    def lock(self, *names: str) -> Lock:
        index, opened = open_suites([SUITE], self.store, self.origins)
        chosen = solve(index, [Wish(name) for name in names])
        return Lock(
            "t",
            Request(names),
            tuple(map(locked_repository, opened)),
            tuple(sorted(map(pin, chosen))),
        )

    def keep(self, lock: Lock, *names: str) -> None:
        """Bring the files of some pins into the store."""
        pins = [item for item in lock.packages if item.name in names]
        fetch_pins(pins, Blobs(self.store / "blobs"), self.origins)

    def refresh(self, lock: Lock) -> tuple[Lock, list[str]]:
        return refresh_missing(lock, [[SUITE]], self.store, self.origins)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(archives, "archive_certificates", lambda: tuple(certificates()))
    return Host(tmp_path)


def versions(lock: Lock) -> dict[str, str]:
    return {item.name: item.evr for item in lock.packages}


def test_nothing_moves_while_nothing_is_gone(host: Host) -> None:
    host.publish(("a", "1", {"Depends": "b"}), ("b", "1", {}))
    lock = host.lock("a")
    assert host.refresh(lock) == (lock, [])


def test_newer_packages_do_not_move_what_can_still_be_had(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}))
    lock = host.lock("a", "b")
    kept = host.root / "pool/main/b/b/b_1_amd64.deb"
    bytes_of_b = kept.read_bytes()
    host.publish(("a", "1", {}), ("b", "2", {}))
    kept.write_bytes(bytes_of_b)  # the archive keeps it beside the new one
    assert host.refresh(lock) == (lock, [])
    kept.unlink()
    assert versions(host.refresh(lock)[0]) == {"a": "1", "b": "2"}


def test_only_what_is_gone_moves(host: Host) -> None:
    host.publish(("a", "1", {"Depends": "b"}), ("b", "1", {}), ("c", "1", {}))
    lock = host.lock("a", "c")
    host.publish(("a", "1", {"Depends": "b"}), ("b", "2", {}), ("c", "1", {}), ("d", "1", {}))
    new, words = host.refresh(lock)
    assert words == ["b 1 -> 2"]
    assert versions(new) == {"a": "1", "b": "2", "c": "1"}
    old_lines, new_lines = (set(lockfile.dump(item).splitlines()) for item in (lock, new))
    assert len(new_lines - old_lines) == 2  # the digest and b


def test_blobs_and_offline_directories_keep_a_pin(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}))
    lock = host.lock("a", "b")
    host.keep(lock, "a")
    fetch_pins(
        [item for item in lock.packages if item.name == "b"],
        Blobs(host.tmp / "offline"),
        host.origins,
    )
    host.publish(("a", "2", {}), ("b", "2", {}))
    assert host.refresh(lock) == (lock, [])


def test_a_moved_package_brings_what_it_newly_needs(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}))
    lock = host.lock("a", "b")
    new_a = {"Depends": "b | x, c (>= 1), d | e"}
    host.publish(("a", "2", new_a), ("b", "1", {}), ("c", "1", {}), ("d", "1", {}), ("e", "1", {}))
    assert versions(host.refresh(lock)[0]) == {"a": "2", "b": "1", "c": "1", "d": "1"}


def test_a_package_that_stayed_moves_when_a_moved_one_needs_it_newer(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}), ("c", "1", {}))
    lock = host.lock("a", "b", "c")
    host.keep(lock, "b", "c")
    host.publish(
        ("a", "2", {"Depends": "b (>= 2)", "Breaks": "c (<< 2)"}), ("b", "2", {}), ("c", "2", {})
    )
    assert versions(host.refresh(lock)[0]) == {"a": "2", "b": "2", "c": "2"}


def test_a_package_that_is_there_is_moved_before_another_is_taken_in(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}))
    lock = host.lock("a", "b")
    host.keep(lock, "b")
    needs = {"Depends": "first (>= 2) | b (>= 2)"}
    host.publish(("a", "2", needs), ("b", "2", {}), ("first", "2", {}))
    assert versions(host.refresh(lock)[0]) == {"a": "2", "b": "2"}


def test_packages_of_one_source_move_together(host: Host) -> None:
    host.publish(("a", "1", {"Source": "s"}), ("b", "1", {"Source": "s"}))
    lock = host.lock("a", "b")
    host.keep(lock, "b")
    host.publish(("a", "2", {"Source": "s"}), ("b", "2", {"Source": "s"}))
    assert versions(host.refresh(lock)[0]) == {"a": "2", "b": "2"}


def test_a_renamed_library_goes_and_its_successor_comes(host: Host) -> None:
    host.publish(("a", "1", {"Depends": "lib1"}), ("lib1", "1", {}))
    lock = host.lock("a")
    host.publish(("a", "2", {"Depends": "lib2"}), ("lib2", "1", {}))
    new, words = host.refresh(lock)
    assert versions(new) == {"a": "2", "lib2": "1"}
    assert words == [
        "a 1 -> 2",
        "removed lib1_1_amd64",
        "added lib2_1_amd64 from debian:stable:main",
    ]


def test_what_was_asked_for_and_is_no_more_is_an_error(host: Host) -> None:
    host.publish(("a", "1", {}), ("b", "1", {}))
    lock = host.lock("a", "b")
    host.publish(("a", "1", {}))
    with pytest.raises(DockyardError) as caught:
        host.refresh(lock)
    assert caught.value.problems[0].code == "debian.no-package"
    assert caught.value.problems[0].what == "the archive has no package b any more"
