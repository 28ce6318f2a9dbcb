"""Locks: made, held against what is asked for, moved where bytes are gone, and turned to files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rpm_repositories import access, add_rpm, index, key, serving, write_key

from dockyard.errors import DockyardError
from dockyard.host.clock import now
from dockyard.model.packages import Lock, LockedRepository, PinBy, Request, RpmRepository
from dockyard.packages import locking as locks
from dockyard.packages.pinned_files import resolve_files
from dockyard.packages.rpm.keys import made_at
from dockyard.packages.rpm.signature import strip_signature

REQUEST = Request(("two",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    for name, requires in (("one", []), ("two", ["one"]), ("three", [])):
        add_rpm(mirror / "Packages", name, requires=requires, signed="owner")
    return index(mirror)


def repository(tmp_path: Path, *bases: str, **options: object) -> RpmRepository:
    key = str(write_key(tmp_path / "KEY"))
    return RpmRepository("r", bases, keys=(key,), **options)  # type: ignore[arg-type]


def problems(caught: pytest.ExceptionInfo[DockyardError]) -> list[str]:
    return [problem.code for problem in caught.value.problems]


def test_a_lock_names_no_host_and_gives_its_files(tmp_path: Path, root: Path) -> None:
    with serving(root) as server:
        source = repository(tmp_path, server.url)
        store = access(tmp_path)
        lock = locks.make_lock("web", REQUEST, [source], store)
        files = resolve_files(lock, [source], store)
        asked = len(server.asked)
        assert resolve_files(lock, [source], store) == files
        assert len(server.asked) == asked  # nothing is asked for twice
    text = locks.dump(lock)
    assert "127.0.0.1" not in text and str(tmp_path) not in text
    assert [pin.nevra for pin in lock.packages] == ["one-1-1.noarch", "two-1-1.noarch"]
    for pin, path in files.items():
        assert path.read_bytes() == (root / pin.path).read_bytes()


def test_the_same_lock_comes_out_twice(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    one = locks.make_lock("web", REQUEST, [source], access(tmp_path / "a"))
    other = locks.make_lock("web", REQUEST, [source], access(tmp_path / "b"))
    assert locks.dump(one) == locks.dump(other)
    assert locks.loads(locks.dump(one)) == one


def test_a_mirror_without_the_file_gives_way_to_another(tmp_path: Path, root: Path) -> None:
    with serving(root) as bad, serving(root) as good:
        source = repository(tmp_path, bad.url, good.url)
        store = access(tmp_path)
        lock = locks.make_lock("web", REQUEST, [source], store)
        bad.refuse["one-1-1.noarch.rpm"] = 404
        bad.cut.add("two-1-1.noarch.rpm")
        assert len(resolve_files(lock, [source], store)) == 2


def test_everything_wrong_with_the_files_is_reported_together(tmp_path: Path, root: Path) -> None:
    add_rpm(root / "Packages", "unsigned")
    add_rpm(root / "Packages", "foreign", signed="somebody")
    add_rpm(root / "Packages", "changed", signed="owner")
    index(root)
    source = repository(tmp_path, root.as_uri())
    names = ("three", "unsigned", "foreign", "changed", "two")
    lock = locks.make_lock("web", Request(names), [source], access(tmp_path))
    add_rpm(root / "Packages", "changed", text="other", signed="owner")
    (root / "Packages/three-1-1.noarch.rpm").unlink()
    with pytest.raises(DockyardError) as caught:
        resolve_files(lock, [source], access(tmp_path))
    assert sorted(problems(caught)) == [
        "fetch.digest-mismatch",
        "fetch.gone",
        "lock.bad-signature",
        "lock.bad-signature",
    ]
    gone = next(each for each in caught.value.problems if each.code == "fetch.gone")
    assert "--refresh-missing" in gone.fix


def test_a_package_whose_payload_was_changed_is_not_taken(tmp_path: Path, root: Path) -> None:
    path = root / "Packages/one-1-1.noarch.rpm"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    index(root)  # the metadata agrees with the damage, the signature does not
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", Request(("one",)), [source], access(tmp_path))
    with pytest.raises(DockyardError) as caught:
        resolve_files(lock, [source], access(tmp_path))
    assert problems(caught) == ["lock.bad-signature"]


def test_a_key_that_the_lock_does_not_know_is_not_enough(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    [rules] = lock.repositories
    other = replace(lock, repositories=(replace(rules, keys=("AB" * 20,)),))
    with pytest.raises(DockyardError) as caught:
        resolve_files(other, [source], access(tmp_path))
    assert problems(caught) == ["lock.bad-signature"] * 2


def test_content_pins_hold_across_signers(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri(), pin=PinBy.CONTENT)
    store = access(tmp_path)
    lock = locks.make_lock("web", REQUEST, [source], store)
    assert all(pin.content and not pin.digest and not pin.size for pin in lock.packages)
    elsewhere = tmp_path / "elsewhere"
    for name, requires in (("one", []), ("two", ["one"])):
        add_rpm(elsewhere / "Packages", name, requires=requires, signed="somebody")
    index(elsewhere)
    key = str(write_key(tmp_path / "KEY2", "somebody"))
    theirs = replace(source, base_urls=(elsewhere.as_uri(),), keys=(key,))
    assert locks.make_lock("web", REQUEST, [theirs], store) == lock
    assert len(resolve_files(lock, [theirs], store)) == 2
    add_rpm(elsewhere / "Packages", "one", text="other", signed="somebody")
    with pytest.raises(DockyardError) as caught:
        resolve_files(lock, [theirs], store)
    assert problems(caught) == ["lock.digest-mismatch"]


def test_content_pins_are_fetched_over_http(tmp_path: Path, root: Path) -> None:
    with serving(root) as server:
        source = repository(tmp_path, server.url, pin=PinBy.CONTENT)
        store = access(tmp_path)
        lock = locks.make_lock("web", REQUEST, [source], store)
        assert len(resolve_files(lock, [source], store)) == 2
        server.refuse["one-1-1.noarch.rpm"] = 404
        with pytest.raises(DockyardError) as caught:
            resolve_files(lock, [source], store)
    assert problems(caught) == ["fetch.gone"]


def test_content_is_the_same_with_and_without_signature(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri(), pin=PinBy.CONTENT)
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    for path in (root / "Packages").glob("*.rpm"):
        strip_signature(path, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    index(root)
    plain = replace(source, check_packages=False)
    again = locks.make_lock("web", REQUEST, [plain], access(tmp_path))
    assert again.packages == lock.packages


# Is the lock still right?


def test_a_lock_that_fits_has_nothing_to_say(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    assert locks.check(lock, REQUEST, [source], lock.tools) == []
    locks.require(lock, REQUEST, [source], "image.lock")


def test_a_lock_that_does_not_fit_says_every_difference(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    now = Request(("three",), exclude=("one",), weak=True)
    changed = replace(source, priority=10, check_packages=False)
    words = locks.check(lock, now, [changed, replace(source, id="s")], lock.packages[:1])
    assert words == [
        "three is asked for now",
        "two is not asked for any more",
        "excluded: nothing before, one now",
        "weak dependencies: with them now",
        "repository s is new",
        "repository r: check packages was on, is off",
        "repository r: priority was 99, is 10",
        "tools: added one-1-1.noarch from r",
    ]
    with pytest.raises(DockyardError) as caught:
        locks.require(lock, now, [changed], "image.lock")
    assert problems(caught) == ["lock.stale"]
    assert "two is not asked for any more" in caught.value.problems[0].excerpt


def test_a_lock_that_lacks_what_it_was_asked_for_does_not_fit(tmp_path: Path, root: Path) -> None:
    """As two lines lost by hand, with the digest made again."""
    source = repository(tmp_path, root.as_uri())
    request = Request(("/usr/share/three", "thr*", "two"))
    lock = locks.make_lock("web", request, [source], access(tmp_path))
    assert lock.answers == (("/usr/share/three", "three"), ("thr*", "three"))
    assert locks.check(lock, request, [source]) == []
    cut = replace(lock, packages=tuple(pin for pin in lock.packages if pin.name == "one"))
    assert locks.check(locks.loads(locks.dump(cut)), request, [source]) == [
        f"{item} is asked for, but no listed package provides it" for item in request.install
    ]


def test_a_forgotten_source_of_packages_is_told_as_such(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    own = replace(source, id="own")
    lock = locks.make_lock("web", REQUEST, [source, own], access(tmp_path))
    with pytest.raises(DockyardError) as caught:
        locks.require(lock, REQUEST, [source], "image.lock", image="web.yaml")
    assert "of own with --rpm-source" in caught.value.problems[0].fix
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    with pytest.raises(DockyardError) as caught:
        locks.require(lock, REQUEST, [source, own], "image.lock", image="web.yaml")
    assert "web.yaml (and the same --rpm-source)" in caught.value.problems[0].fix


def test_differences_between_locks_are_told_by_package(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    store = access(tmp_path)
    old = locks.make_lock("web", REQUEST, [source], store)
    add_rpm(root / "Packages", "one", "2", signed="owner")
    add_rpm(root / "Packages", "two", text="other", requires=["one"], signed="owner")
    index(root)
    new = locks.make_lock("web", Request(("two", "three")), [source], store)
    assert locks.diff(old, new) == [
        "one 1-1 -> 2-1",
        "added three-1-1.noarch from r",
        "two-1-1.noarch has other bytes, though the same version",
        "three is asked for now",
    ]
    assert locks.diff(new, new) == []


# Moving what is gone.


def refreshed(
    tmp_path: Path, lock: Lock, source: RpmRepository, *offline: Path
) -> tuple[Lock, list[str]]:
    return locks.refresh_missing(lock, [source], access(tmp_path / "other-machine", *offline))


@pytest.fixture
def moved(tmp_path: Path, root: Path) -> tuple[Lock, RpmRepository, Path]:
    """A lock of all three, after which the repository went on: new `one` and `three`."""
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", Request(("two", "three")), [source], access(tmp_path))
    add_rpm(root / "Packages", "one", "2", signed="owner")
    add_rpm(root / "Packages", "three", "2", signed="owner")
    return lock, source, root


def test_nothing_moves_while_everything_is_there(
    moved: tuple[Lock, RpmRepository, Path], tmp_path: Path
) -> None:
    lock, source, root = moved
    index(root)
    new, moves = refreshed(tmp_path, lock, source)
    assert (new is lock, moves) == (True, [])


def test_only_the_pin_that_is_gone_moves(
    moved: tuple[Lock, RpmRepository, Path], tmp_path: Path
) -> None:
    lock, source, root = moved
    (root / "Packages/one-1-1.noarch.rpm").unlink()
    index(root)
    new, moves = refreshed(tmp_path, lock, source)
    assert moves == ["one 1-1 -> 2-1"]
    before, after = locks.dump(lock).splitlines(), locks.dump(new).splitlines()
    assert len(before) == len(after)
    changed = [now for old, now in zip(before, after, strict=True) if old != now]
    assert len(changed) == 2 and '"digest"' in changed[0] and '"one"' in changed[1]
    assert len(resolve_files(new, [source], access(tmp_path / "other-machine"))) == 3


def test_a_file_that_the_index_forgot_but_the_mirror_has_stays(
    moved: tuple[Lock, RpmRepository, Path], tmp_path: Path
) -> None:
    lock, source, root = moved
    held = root / "Packages/one-1-1.noarch.rpm"
    gone = root / "Packages/three-1-1.noarch.rpm"
    data = held.read_bytes()
    held.unlink()
    gone.unlink()
    index(root)
    held.write_bytes(data)
    new, moves = refreshed(tmp_path, lock, source)
    assert moves == ["three 1-1 -> 2-1"]
    assert lock.packages[0] in new.packages


def test_what_an_offline_directory_has_stays(
    moved: tuple[Lock, RpmRepository, Path], tmp_path: Path
) -> None:
    lock, source, root = moved
    offline = access(tmp_path / "offline").blobs
    for name in ("one", "three"):
        path = root / f"Packages/{name}-1-1.noarch.rpm"
        if name == "one":
            offline.add_bytes(path.read_bytes())
        path.unlink()
    index(root)
    new, moves = refreshed(tmp_path, lock, source, offline.root)
    assert moves == ["three 1-1 -> 2-1"]
    store = access(tmp_path / "third", offline.root)
    assert len(resolve_files(new, [source], store)) == 3


def test_what_the_new_package_needs_moves_with_it(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", Request(("two", "three")), [source], access(tmp_path))
    (root / "Packages/two-1-1.noarch.rpm").unlink()
    add_rpm(root / "Packages", "one", "2", signed="owner")
    add_rpm(root / "Packages", "two", "2", requires=["one >= 2", "four"], signed="owner")
    add_rpm(root / "Packages", "three", "2", signed="owner")
    add_rpm(root / "Packages", "four", signed="owner")
    index(root)
    _, moves = refreshed(tmp_path, lock, source)
    assert moves == ["added four-1-1.noarch from r", "one 1-1 -> 2-1", "two 1-1 -> 2-1"]


def test_a_mirror_that_cannot_be_asked_moves_nothing(
    moved: tuple[Lock, RpmRepository, Path], tmp_path: Path
) -> None:
    lock, source, root = moved
    (root / "Packages/one-1-1.noarch.rpm").unlink()
    index(root)
    with serving(root) as server:
        server.refuse["one-1-1.noarch.rpm"] = 503
        over_http = replace(source, base_urls=(server.url,))
        with pytest.raises(DockyardError) as caught:
            refreshed(tmp_path, lock, over_http)
    assert problems(caught) == ["fetch.mirror-down"]


def test_a_package_published_again_with_other_bytes_moves(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    add_rpm(root / "Packages", "one", text="again", signed="owner")
    index(root)
    with pytest.raises(DockyardError):
        resolve_files(lock, [source], access(tmp_path / "other-machine"))
    new, moves = refreshed(tmp_path, lock, source)
    assert moves == ["one-1-1.noarch has other bytes, though the same version"]
    assert len(resolve_files(new, [source], access(tmp_path / "other-machine"))) == 2


def test_a_rebuilt_repository_of_content_moves_what_changed(tmp_path: Path, root: Path) -> None:
    source = repository(tmp_path, root.as_uri(), pin=PinBy.CONTENT)
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    add_rpm(root / "Packages", "one", signed="owner")  # the same content, signed again
    add_rpm(root / "Packages", "two", "2", requires=["one"], signed="owner")
    (root / "Packages/two-1-1.noarch.rpm").unlink()
    index(root)
    new, moves = refreshed(tmp_path, lock, source)
    assert moves == ["two 1-1 -> 2-1"]
    assert lock.packages[0] in new.packages


def test_keys_that_were_fetched_serve_without_the_network(tmp_path: Path, root: Path) -> None:
    write_key(root / "KEY")
    with serving(root) as server:
        source = RpmRepository("r", (server.url,), keys=(f"{server.url}KEY",))
        store = access(tmp_path)
        lock = locks.make_lock("web", REQUEST, [source], store)
        resolve_files(lock, [source], store)
        server.asked.clear()
        assert len(resolve_files(lock, [source], store)) == 2
        assert server.asked == []
    [rules] = lock.repositories
    other = replace(lock, repositories=(replace(rules, keys=("AB" * 20,)),))
    with pytest.raises(DockyardError) as caught:
        resolve_files(other, [source], store)
    assert problems(caught) == ["repository.no-key"]


def test_a_clock_that_is_years_back_is_told_once(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = repository(tmp_path, root.as_uri())
    lock = locks.make_lock("web", REQUEST, [source], access(tmp_path))
    monkeypatch.setattr("dockyard.host.clock.now", lambda: 1262304000.0)
    for act in (
        lambda: locks.make_lock("web", REQUEST, [source], access(tmp_path / "new")),
        lambda: resolve_files(lock, [source], access(tmp_path)),
    ):
        with pytest.raises(DockyardError) as caught:
            act()
        [problem] = caught.value.problems
        assert problem.code == "repository.key-from-future"
        assert "this machine's clock says 2010-01-01" in problem.why


def test_the_time_of_a_key_is_read_out_of_its_first_packet() -> None:
    certificate = bytes(key("owner").extract_certificate())
    assert 1767225600 < made_at(certificate) <= now()
    assert made_at(b"") == made_at(b"\x00abc") == made_at(b"\xc6\x33\x03\x00\x00\x00\x00") == 0


@pytest.mark.parametrize("revision", ["²", "9" * 5000, "-1", "rawhide", ""])
def test_a_revision_that_is_no_number_goes_neither_forth_nor_back(revision: str) -> None:
    old, new = (
        Lock("web", repositories=(LockedRepository("base", revision=each),))
        for each in ("1767225600", revision)
    )
    assert locks.follow(old, new, "web.lock").repositories[0].id == "base"
    assert locks.follow(new, old, "web.lock").newest_revision in (1767225600, None)
    assert new.newest_revision is None
