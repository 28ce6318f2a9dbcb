"""Scanning a tree, laying changes over it, the index, the manifest and the features."""

from __future__ import annotations

import io
import json
import os
import random
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.archive import (
    Archive,
    Entry,
    Kind,
    features,
    load,
    manifest,
    merge,
    save,
    scan,
    unpack,
    write_stream,
)
from dockyard.archive.entry import XATTR_SELINUX, path_text
from dockyard.errors import DockyardError
from dockyard.host import mounts
from nasty_archive import DATA, LABEL, SECOND, T, directory, file, nasty, plain, plain_entries, same

pytestmark = pytest.mark.usefixtures("namespace")


@pytest.fixture
def memory(tmp_path: Path, namespace: None) -> object:
    """A directory on a tmpfs of the namespace, where every attribute can be set."""
    with mounts.tmpfs(tmp_path):
        yield tmp_path


@pytest.mark.parametrize("reverse", [False, True])
def test_a_tree_is_scanned_as_it_was_unpacked(memory: Path, reverse: bool) -> None:
    tree = memory / "tree"
    tree.mkdir()
    unpack(plain(), tree, reverse=reverse)
    same(scan(tree), plain())
    assert (tree / "a/holes").stat().st_blocks * 512 < 1 << 20


def test_times_are_clamped_and_exclusions_left_out(memory: Path) -> None:
    unpack(
        Archive.from_entries(
            [file(b"late", mtime_ns=T + 5), file(b"early", mtime_ns=-1), file(b"run/x")]
        ),
        memory,
    )
    found = scan(memory, epoch=T // 10**9, exclude=[b"run"])
    assert [(entry.path, entry.mtime_ns) for entry in found][1:] == [(b"early", 0), (b"late", T)]


def test_sockets_are_left_out(memory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(memory / "socket"))
    assert [entry.path for entry in scan(memory)] == [b""]


def test_labels_can_be_left_out(memory: Path) -> None:
    unpack(plain(), memory)
    assert features(scan(memory)).labels
    assert features(scan(memory, exclude_xattrs=[XATTR_SELINUX])).labels == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        scan(tmp_path / "missing")
    assert caught.value.problems[0].code == "archive.unreadable"


def _change(tree: Path) -> None:
    """Every kind of change that an overlay marks in its own way."""
    (tree / "a/one").write_text("changed")
    (tree / "new").mkdir()
    (tree / "new/file").write_text("new")
    os.link(tree / "new/file", tree / "new/linked")
    (tree / "a/large").unlink()
    for name in (b"m/0000", b"x/many"):
        os.unlink(os.fsencode(tree) + b"/" + name)  # noqa: PTH108
    (tree / "h/first").unlink()  # the first name of a hard-link group
    (tree / "m/sgid").rmdir()
    (tree / "m/sgid").write_text("a file in place of a directory")
    (tree / "a/empty").unlink()
    (tree / "a/empty").mkdir()  # a directory in place of a file
    (tree / "a/empty/below").write_text("x")
    for path in sorted((tree / "l").iterdir()):
        path.unlink()
    (tree / "l").rmdir()
    (tree / "l").mkdir()  # an opaque directory
    (tree / "l/only").write_text("only")
    os.chmod(tree / "t", 0o700)  # noqa: PTH101
    os.setxattr(tree / "t/ns", "user.new", b"1")


def test_a_merge_equals_the_scan_of_the_merged_tree(memory: Path) -> None:
    epoch = T // 10**9 + 5
    base, upper, work, second, at = (memory / name for name in ("b", "u", "w", "s", "at"))
    for each in (base, upper, work, second, at):
        each.mkdir()
    unpack(plain(), base)
    archive = scan(base, epoch=epoch)
    with mounts.overlay([base], upper, work, at):
        _change(at)
        expected = scan(at, epoch=epoch)
        found = merge(archive, upper, epoch=epoch)
        same(found, expected)
        for entry in expected:
            if entry.kind is Kind.FILE:
                assert found.read(entry.path) == expected.read(entry.path)
    assert {b"l/only", b"h/second", b"a/empty/below"} <= {entry.path for entry in found}
    # A second layer over the first.
    work = memory / "w2"
    work.mkdir()
    with mounts.overlay([upper, base], second, work, at):
        (at / "a/empty/below").unlink()
        (at / "h/second").unlink()
        (at / "l/only").write_text("changed again")
        (at / "a/large").write_text("back")
        expected = scan(at, epoch=epoch)
        again = merge(found, second, epoch=epoch)
        same(again, expected)
        assert again.read(b"m/third") == DATA[b"h/first"]
        assert again.read(b"a/large") == b"back"


@pytest.mark.parametrize("seed", range(12))
def test_random_changes_merge_as_the_kernel_shows_them(memory: Path, seed: int) -> None:
    chance = random.Random(seed)
    base, upper, work, at = (memory / name for name in ("b", "u", "w", "at"))
    for each in (base, upper, work, at):
        each.mkdir()

    def play(tree: Path, steps: int) -> None:
        for _ in range(steps):
            path = tree.joinpath(*(chance.choice("abc") for _ in range(chance.randint(1, 3))))
            act = chance.choice(["file", "mkdir", "remove", "link", "chmod"])
            try:
                if act == "file":
                    path.write_text(str(chance.random()))
                elif act == "mkdir":
                    path.mkdir()
                elif act == "remove":
                    path.rmdir() if path.is_dir() else path.unlink()
                elif act == "link":
                    os.link(tree.joinpath(chance.choice("abc"), chance.choice("abc")), path)
                else:
                    path.chmod(chance.choice([0o700, 0o755]))
            except OSError:
                continue

    play(base, 60)
    # Most layers are small beside what they are over.
    (base / "b0").mkdir()
    for number in range(100 * (seed % 4)):
        (base / f"b0/{number}").touch()
    archive = scan(base, epoch=0)
    with mounts.overlay([base], upper, work, at):
        play(at, 30)
        same(merge(archive, upper, epoch=0), scan(at, epoch=0))


def test_a_layer_over_another_tree_is_refused(memory: Path) -> None:
    (memory / "layer/a").mkdir(parents=True)
    os.setxattr(memory / "layer/a", "user.overlay.redirect", b"/b")
    with pytest.raises(DockyardError) as caught:
        merge(Archive.from_entries([directory(b"")]), memory / "layer")
    assert caught.value.problems[0].code == "archive.overlay-mark"


def test_the_index_holds_every_entry(memory: Path) -> None:
    tree, index = memory / "tree", memory / "index"
    tree.mkdir()
    unpack(plain(), tree)
    archive = scan(tree)
    far = [
        file(b"z%d" % i, mtime_ns=t)
        for i, t in enumerate((15_032_385_535 * SECOND + 1, -(1 << 62) * SECOND))
    ]
    every = Archive([*nasty().entries, *far], archive.sources)
    save(every, index)
    same(load(index, [tree]), every)
    assert load(index, [tree]).read(b"a/one") == b"1"
    for broken in ([tree, tree], []):
        with pytest.raises(DockyardError) as caught:
            load(index, broken)
        assert "it is of 1 trees" in caught.value.problems[0].why
    index.write_bytes(index.read_bytes()[:-20])
    with pytest.raises(DockyardError) as caught:
        load(index, [tree])
    assert caught.value.problems[0].code == "archive.index-broken"


def test_a_merged_archive_is_kept_over_all_of_its_trees(memory: Path) -> None:
    """Its index does not depend on where the trees are, and follows them."""
    indexes, streams = [], []
    for place in ("here", "there"):
        base, layer = memory / place / "base", memory / place / "layer"
        base.mkdir(parents=True)
        unpack(plain(), base)
        (layer / "a").mkdir(parents=True)
        (layer / "a/one").write_bytes(b"another")
        (layer / "a/new").write_bytes(b"new")
        merged = merge(scan(base, epoch=0), layer, epoch=0)
        save(merged, memory / place / "index")
        indexes.append((memory / place / "index").read_bytes())
        moved = [memory / place / name for name in ("moved", "too")]
        for old, new in zip((base, layer), moved, strict=True):
            old.rename(new)
        found = load(memory / place / "index", moved)
        same(found, merged)
        assert found.read(b"a/one") == b"another" and found.read(b"a/large") == DATA[b"a/large"]
        stream = io.BytesIO()
        write_stream(found, stream)
        streams.append(stream.getvalue())
    assert indexes[0] == indexes[1]
    assert streams[0] == streams[1]


def test_the_manifest_is_one_json_object_a_line() -> None:
    lines = [json.loads(line) for line in manifest(nasty(), {b"x/cap": "ping"}).splitlines()]
    found = {line["path"]: line for line in lines}
    assert [line["path"] for line in lines][:3] == ["/", "/a", "/a/empty"]
    assert found["/x/cap"]["package"] == "ping"
    assert found["/x/cap"]["mode"] == "0755"
    assert found["/x/labelled"]["xattrs"] == {"security.selinux": LABEL[:-1].decode()}
    assert found["/dev/far"]["device"] == "259:70000"
    assert found["/h/second"]["target"] == "/h/first"
    assert found["/t/ns"]["mtime"] == "2023-11-14T22:13:20.123456789Z"
    assert found["/odd-\udcff\udcfe"]["size"] == 3


def test_features_name_the_paths() -> None:
    found = features(nasty())
    assert found.devices == [b"dev/far", b"dev/null", b"dev/sda"]
    assert found.unmapped_ids == [b"i-70000", b"i-last"]
    assert found.acls == [b"x/acl", b"x/acls"]
    assert found.trusted_xattrs == [b"x/trusted"]
    assert found.empty_xattrs == [b"x/void"]
    assert found.odd_names == [b"odd-\xff\xfe"]
    assert found.times_after_2038 == [b"t/2040"]
    assert found.times_before_1970 == [b"t/before"]
    assert found.fractional_times == [b"t/ns"]
    assert features(plain()).devices == []


def test_entries_given_in_memory_get_parents_sizes_and_digests() -> None:
    made = Archive.from_entries([file(b"EFI/BOOT/BOOTX64.EFI")], {b"EFI/BOOT/BOOTX64.EFI": b"MZ"})
    assert [entry.path for entry in made] == [b"", b"EFI", b"EFI/BOOT", b"EFI/BOOT/BOOTX64.EFI"]
    assert made.entries[-1].size == 2
    with pytest.raises(ValueError, match="twice"):
        Archive.from_entries([file(b"a"), file(b"a")])
    with pytest.raises(ValueError, match="not linked"):
        Archive.from_entries([Entry(b"a", Kind.HARDLINK, target=b"b")])


def test_paths_are_shown_escaped() -> None:
    assert path_text(b"a\n\xff\\\xc3\xbc") == "/a\\x0a\\xff\\x5cü"


def test_equal_trees_make_equal_archives_whatever_was_made_first(memory: Path) -> None:
    trees = [memory / "one", memory / "two"]
    for tree, backwards in zip(trees, (False, True), strict=True):
        tree.mkdir()
        unpack(Archive.from_entries(plain_entries(), DATA), tree, reverse=backwards)
    one, two = (scan(tree) for tree in trees)
    same(one, two)
    assert manifest(one) == manifest(two)
    assert replace(one.entries[0], mode=0) != two.entries[0]
