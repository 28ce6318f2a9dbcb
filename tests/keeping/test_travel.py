"""Results travel whole: every owner, attribute, link and mark; or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from kept_stores import DAY, add, files_of, key_of, there

from dockyard.archive import Entry, Kind, unpack_stream
from dockyard.archive.stream import header
from dockyard.cli.store_text import listing
from dockyard.engine.store import FACTS, Store
from dockyard.errors import DockyardError, Problem
from dockyard.host import clock, mounts, namespace, seal
from dockyard.host.files import make_root
from dockyard.keeping.choice import Wish, choose
from dockyard.keeping.imported import DAYS
from dockyard.keeping.inventory import take_inventory
from dockyard.keeping.prune import prune
from dockyard.keeping.travel import MAGIC, export_results, import_results
from dockyard.keeping.verify import verify_store
from dockyard.packages.blobs import Blobs


def silent(note: str, done: int, total: int) -> None:
    """For who hears nothing."""


def add_layer(store: Store) -> str:
    """A result with all that a layer may have; gives its key."""
    key = key_of("layer")
    with store.claim(key) as out:
        assert out is not None
        lower, upper, scratch, at = (out / each for each in ("l", "upper", "w", "at"))
        for place in (lower, upper):
            make_root(place)
        for place in (scratch, at, lower / "gone", lower / "hidden", lower / "kept"):
            place.mkdir()
        (lower / "file").write_text("below")
        with mounts.overlay([lower], upper, scratch, at):
            (at / "gone").rmdir()
            (at / "file").unlink()
            (at / "hidden").rmdir()
            (at / "hidden").mkdir()  # opaque
            (at / "kept/set-id").write_bytes(b"program")
            os.chown(at / "kept/set-id", 12, 34)
            (at / "kept/set-id").chmod(0o4751)
            os.setxattr(at / "kept/set-id", "user.note", b"\0\1")
            os.setxattr(at / "kept/set-id", "security.capability", bytes.fromhex(
                "0100000200040000000000000000000000000000"))  # fmt: skip
            (at / "hard").hardlink_to(at / "kept/set-id")
            (at / "link").symlink_to("../../etc/passwd")
            os.mkfifo(at / "pipe")
            with (at / "kept/name \udcff\n").open("wb") as sparse:
                sparse.truncate(5 << 20)
                sparse.seek(3 << 20)
                sparse.write(b"x")
            os.utime(at / "kept/name \udcff\n", ns=(0, 123456789123456789))
        mounts.forget_lowers(upper)
        for place in (lower, scratch):
            from dockyard.host.removal import remove_tree

            remove_tree(place)
        at.rmdir()
        store.publish(key, {"name": "layer", "kind": "layer", "title": "lay", "inputs": {}})
    store.note_key(key, key)
    return key


def moved(store: Store, place: Path, compress: bool = False) -> Store:
    """Another store that has all results of one."""
    results = list(take_inventory(store).results.values())
    export_results(store, results, place / "file", silent, compress=compress)
    other = Store(place / "other")
    import_results(other, place / "file", silent)
    return other


@pytest.mark.build
@pytest.mark.parametrize("compress", [False, True])
def test_all_that_a_result_has_arrives(namespace: None, tmp_path: Path, compress: bool) -> None:
    store = Store(tmp_path / "store")
    key, plain = add_layer(store), add(store, "plain")
    upper = store.place(key) / "upper"
    marks = {
        name for each in upper.rglob("*") for name in os.listxattr(each, follow_symlinks=False)
    }
    assert marks == {"user.overlay.opaque", "user.note", "security.capability"}
    assert sum(each.is_char_device() for each in upper.iterdir()) == 2
    other = moved(store, tmp_path, compress)
    for each in (key, plain):
        assert other.content(each) == store.content(each) is not None
        assert other.damage(each, thorough=True) == "" and other.untouched(each)
        assert files_of(other.place(each)) == files_of(store.place(each))
        assert other.facts(each) == store.facts(each)
    # What the digest says was looked at by nobody but itself; a few of it by hand.
    there = other.place(key) / "upper"
    program = (there / "kept/set-id").lstat()
    assert (program.st_mode & 0o7777, program.st_uid, program.st_gid) == (0o4751, 12, 34)
    assert (there / "hard").lstat().st_ino == program.st_ino
    assert os.getxattr(there / "hidden", "user.overlay.opaque") == b"y"
    assert (there / "kept/name \udcff\n").lstat().st_blocks < 64
    assert (there / "kept/name \udcff\n").lstat().st_mtime_ns == 123456789123456789
    assert other.place(key).lstat().st_uid == (other.place(key) / FACTS).lstat().st_uid
    # The ids come along, and what is there is not taken twice.
    assert take_inventory(other).by_id == take_inventory(store).by_id
    assert import_results(other, tmp_path / "file", silent).new == ()
    # Streams of one content are the same bytes.
    again = list(take_inventory(other).results.values())
    export_results(other, again, tmp_path / "again", silent, compress=compress)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()


@pytest.mark.build
def test_what_was_imported_is_kept_until_it_is_used_or_two_weeks_have_passed(
    namespace: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    add(store, "tree")
    add(store, "disk", "tree")
    add(store, "alone")
    other = moved(store, tmp_path)
    add(other, "local")
    prune(other, Wish())
    assert there(other) == {"tree", "disk", "alone"}
    now = clock.now()
    lines = listing(take_inventory(other), take_inventory(other).results.values(), now, True)
    assert lines[0].startswith("for their first use after an import, kept until 20")
    # A build that used one, and was of an image that is gone since.
    os.utime(other.root / "answers" / key_of("alone"), (now + 5, now + 5))
    prune(other, Wish())
    assert there(other) == {"tree", "disk"}
    monkeypatch.setattr(clock, "now", lambda: now + (DAYS - 1) * DAY)
    assert prune(other, Wish()).results == []
    monkeypatch.setattr(clock, "now", lambda: now + (DAYS + 1) * DAY)
    prune(other, Wish())
    assert there(other) == set()


@pytest.mark.build
def test_what_an_import_found_there_is_kept_like_what_it_brought(
    namespace: None, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    key = add(store, "first")
    other = Store(tmp_path / "other")
    add(other, "first", age=40 * DAY)
    assert take_inventory(other).is_nobodys(key)
    moved(store, tmp_path)
    assert not take_inventory(other).is_nobodys(key)
    assert choose(take_inventory(other), Wish(everything=True), clock.now())


def refusal(store: Store, file: Path) -> Problem | None:
    try:
        import_results(store, file, silent)
    except DockyardError as error:
        (problem,) = error.problems
        return problem
    return None


@pytest.mark.build
def test_a_damaged_file_is_refused_whole(namespace: None, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    add(store, "first", size=1 << 16)
    add(store, "second", size=1 << 16)
    results = list(take_inventory(store).results.values())
    whole, packed = tmp_path / "whole", tmp_path / "packed"
    export_results(store, results, whole, silent)
    export_results(store, results, packed, silent, compress=True)
    data, small = whole.read_bytes(), packed.read_bytes()
    at = data.rindex(b"data") + 600  # in the data of the last file

    def other_at(place: int) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    damaged = {
        "a byte is other": other_at(at),
        "a byte of a title is other": other_at(data.index(b"make first") + 1),
        "a byte of the list is other": other_at(data.index(b"steps") + 10),
        "cut": data[:-70000],
        "cut at the end": data[:-1500],
        "longer": data + b"x",
        "empty": b"",
        "foreign": b"#!/bin/sh\n" * 1000,
        "no list": data.split(b"\n")[0] + b"\n{}\n",
        "other name": data.replace(key_of("first").encode(), b"../../../../etc" + b"0" * 31, 1),
        "packed and cut": small[: len(small) // 2],
        "packed and other": small[:9000] + bytes([small[9000] ^ 1]) + small[9001:],
    }
    for name, each in damaged.items():
        file, other = tmp_path / "damaged", Store(tmp_path / "other")
        file.write_bytes(each)
        problem = refusal(other, file)
        assert problem, name
        assert (problem.code, problem.where) == ("store.import", str(file)), name
        assert problem.why and there(other) == set(), name
        assert not list((other.root / "work").iterdir()), name
        assert not list((other.root / "answers").iterdir()), name
    assert import_results(other, whole, silent).there == 0 and len(there(other)) == 2


@pytest.mark.parametrize(
    "facts", ["[1]", "[" * 200_000, '{"title": 1}', '{"inputs": {"a": 1}}', "no"]
)
def test_a_result_that_says_nothing_of_itself_is_refused(
    namespace: None, tmp_path: Path, facts: str
) -> None:
    store, file = Store(tmp_path / "store"), tmp_path / "file"
    place = store.place(add(store, "first"))
    (place / FACTS).write_text(facts)
    os.utime(place / FACTS, ns=(0, 0))
    seal.write(place, beside=(FACTS,))
    results = list(take_inventory(store).results.values())
    export_results(store, results, file, silent)
    problem = refusal(Store(tmp_path / "other"), file)
    assert problem and problem.code == "store.import"


def test_a_seal_that_comes_along_is_refused(namespace: None, tmp_path: Path) -> None:
    listed = [{"key": key_of("first"), "content": "", "facts": "", "steps": []}]
    head = json.dumps(listed).encode() + b"\n"
    digest = hashlib.sha256(head).hexdigest().encode()
    for kind in (Kind.DIRECTORY, Kind.SYMLINK):
        own = header(Entry(b".seal", kind, target=b"x" if kind is Kind.SYMLINK else b""))
        stream = header(Entry(b"", Kind.DIRECTORY, 0o755)) + own + bytes(1024)
        (tmp_path / "file").write_bytes(MAGIC + digest + b"\n" + head + stream)
        problem = refusal(Store(tmp_path / "store"), tmp_path / "file")
        assert problem and "a seal of its own" in problem.why


@pytest.mark.build
def test_a_stream_makes_nothing_outside_of_its_tree(namespace: None, tmp_path: Path) -> None:
    root = header(Entry(b"", Kind.DIRECTORY, 0o755))
    outside = tmp_path / "outside"
    outside.mkdir()
    link = header(Entry(b"a", Kind.SYMLINK, target=os.fsencode(outside)))
    directory = header(Entry(b"a", Kind.DIRECTORY, 0o755))
    evil = {
        "through a link": root + link + header(Entry(b"a/b", Kind.FILE)),
        "a link in place of a directory": root + directory + link,
        "a directory in place of a link": root + link + directory,
        "without a root": header(Entry(b"a", Kind.FILE)),
        "above": root + header(Entry(b"../outside/x", Kind.FILE)),
        "twice": root + header(Entry(b"a", Kind.FILE)) * 2,
    }
    for number, (name, data) in enumerate(evil.items()):
        file, into = tmp_path / "stream", tmp_path / str(number)
        file.write_bytes(data + bytes(1024))
        into.mkdir()
        with file.open("rb") as stream, pytest.raises(DockyardError):
            unpack_stream(stream, into)
        assert not list(outside.iterdir()), name


@pytest.mark.build
def test_a_result_of_another_store_is_exported_as_it_is_there(
    namespace: None, tmp_path: Path
) -> None:
    store, lent = Store(tmp_path / "store"), Store(tmp_path / "lent")
    key = add(store, "first")
    lent.place(key).symlink_to(store.place(key))
    lent.note_key(key, key)
    assert moved(lent, tmp_path).content(key) == store.content(key)
    (whole,) = take_inventory(store).results.values()
    export_results(store, [whole], tmp_path / "whole", silent)
    assert (tmp_path / "file").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.build
def test_damaged_results_are_not_exported(namespace: None, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    key = add(store, "first")
    (store.place(key) / "data").write_bytes(b"other")
    with pytest.raises(DockyardError, match="damaged"):
        export_results(store, [take_inventory(store).results[key]], tmp_path / "file", silent)
    assert not (tmp_path / "file").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


@pytest.mark.build
def test_verify_removes_what_is_damaged_and_nothing_else(namespace: None, tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = [add(store, name) for name in ("first", "second", "third")]
    blobs = Blobs.of_store(store.root)
    good, bad = blobs.add_bytes(b"good"), blobs.add_bytes(b"bad")
    assert verify_store(store, silent).damaged == []
    data = store.place(keys[0]) / "data"
    status, old = data.stat(), data.read_bytes()
    data.write_bytes(bytes([old[0] ^ 1]) + old[1:])
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    # What the medium forgot, and no status shows.
    silently = store.place(keys[1]) / "data"
    silently.write_bytes(b"forgotten")
    rows = seal._read(store.place(keys[1]))
    found = silently.lstat()
    rows["data"] = rows["data"]._replace(
        inode=found.st_ino, ctime_ns=found.st_ctime_ns, mtime_ns=found.st_mtime_ns,
        size=found.st_size,
    )  # fmt: skip
    seal._keep(store.place(keys[1]), rows, seal._Head("0" * 64, 0))
    assert store.untouched(keys[1])
    blobs.path(bad).write_bytes(b"worse")
    found_damaged = verify_store(store, silent).damaged
    assert {each.name for each in found_damaged} == {*keys[:2], bad}
    assert there(store) == {"third"} and blobs.has(good) and not blobs.has(bad)
    assert verify_store(store, silent).damaged == []


def test_the_caller_takes_the_place_of_the_caller() -> None:
    from dockyard.keeping.travel import _owner

    assert _owner(namespace.CALLER) == namespace.caller() and _owner(12) == 12
