"""Settings as a layer: what the image has in their way is told at their place."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard import archive
from dockyard.archive import Archive, Kind
from dockyard.archive.archive import GivenSource
from dockyard.engine.work import Work
from dockyard.errors import DockyardError, Position
from dockyard.pipeline.arguments.names import INDEX, TREE, UPPER
from dockyard.pipeline.arguments.settings import ApplySettings
from dockyard.pipeline.index_only import NOBODY, shown
from dockyard.pipeline.stack import merged_archive
from dockyard.pipeline.steps.settings import apply_settings
from dockyard.tree.additional import AdditionalFileSetting
from dockyard.tree.every import AnySetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.setting import Tree
from nasty_archive import THEIR_CAPABILITY

UNITS = "usr/lib/systemd/system"
PLACE = Position("image.yaml", 3, 5)


@pytest.fixture
def working(tmp_path: Path, namespace: None) -> Work:
    units = tmp_path / "packages" / TREE / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "loop.service").symlink_to("loop.service")
    for names in (("first", "second", "third"), ("other", "another"), ("left", "alone")):
        (units / names[0]).write_text(names[0])
        for name in names[1:]:
            (units / name).hardlink_to(units / names[0])
    os.utime(units, (1, 1))
    found = archive.scan(tmp_path / "packages" / TREE, epoch=1)
    archive.save(found, tmp_path / "packages" / INDEX)
    (tmp_path / "out").mkdir()
    return Work(tmp_path / "out", {"packages": tmp_path / "packages"}, tmp_path)


def run(working: Work, *settings: AnySetting) -> None:
    apply_settings(working, ApplySettings(settings, ("packages",), 1))


def test_a_layer_has_what_its_settings_make(working: Work) -> None:
    run(working, AdditionalFileSetting("/etc/motd", content="hello"))
    assert (working.out / UPPER / "etc/motd").read_text() == "hello"
    assert [path.name for path in working.out.iterdir()] == [UPPER]


def test_what_a_layer_makes_has_the_epoch_though_the_clock_is_behind_it(working: Work) -> None:
    ahead = int(time.time()) + 10**8
    apply_settings(working, ApplySettings((AdditionalFileSetting("/etc/motd", content="x"),),
                                          ("packages",), ahead))  # fmt: skip
    assert (working.out / UPPER / "etc/motd").stat().st_mtime == ahead


def test_what_is_no_file_is_told_at_the_setting(working: Work) -> None:
    with pytest.raises(DockyardError) as caught:
        run(working, ServiceSetting("loop", True, PLACE))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("tree.not-a-file", PLACE)
    assert problem.why == "its links run in circles"


def test_what_is_in_the_way_is_told_at_the_setting(working: Work) -> None:
    class Looking(AdditionalFileSetting):
        def apply(self, tree: Tree) -> None:
            tree.files.read_link("/usr/lib/systemd/system/loop.service/below")

    with pytest.raises(DockyardError) as caught:
        run(working, Looking("/etc/motd", content="", position=PLACE))
    (problem,) = caught.value.problems
    assert problem.where == PLACE
    assert "/usr/lib/systemd/system/loop.service is in the way of: file" in problem.what
    assert problem.why == "Too many levels of symbolic links"


class Acting(AdditionalFileSetting):
    """A setting that does in a tree what a script may."""

    act: Callable[[Path], None]

    def apply(self, tree: Tree) -> None:
        self.act(tree.path / UNITS)


def acting(act: Callable[[Path], None]) -> Acting:
    setting = Acting("/etc/motd", content="")
    object.__setattr__(setting, "act", act)
    return setting


def units_after(working: Work, *acts: Callable[[Path], None]) -> dict[str, tuple[str, str]]:
    """Of every unit of several names: the kind and what it links to, and its size."""
    run(working, *map(acting, acts))
    layered = Work(working.out, {**working.results, "layer": working.out}, working.store)
    merged = merged_archive(layered, ("packages", "layer"), 1)
    return {
        os.fsdecode(entry.name): (entry.kind.value + os.fsdecode(entry.target[len(UNITS) + 1 :]),
                                  merged.read(entry.path).decode())
        for entry in merged
        if entry.parent == os.fsencode(UNITS) and entry.name != b"loop.service"
    }  # fmt: skip


def append(name: str) -> Callable[[Path], None]:
    def act(units: Path) -> None:
        with (units / name).open("a") as file:
            file.write("+")

    return act


UNTOUCHED = {
    "alone": ("f", "left"), "left": ("halone", "left"),
    "another": ("f", "other"), "other": ("hanother", "other"),
    "first": ("f", "first"), "second": ("hfirst", "first"), "third": ("hfirst", "first"),
}  # fmt: skip


def test_what_is_written_to_one_name_all_names_of_a_file_have(working: Work) -> None:
    found = units_after(working, append("second"), append("third"), append("other"))
    assert found == UNTOUCHED | {
        "first": ("f", "first++"), "second": ("hfirst", "first++"), "third": ("hfirst", "first++"),
        "another": ("f", "other+"), "other": ("hanother", "other+"),
    }  # fmt: skip
    assert not (working.out / UPPER / UNITS / "alone").exists()
    assert (working.out / UPPER / UNITS).stat().st_mtime == 1


def test_a_name_that_is_replaced_or_removed_leaves_the_others(working: Work) -> None:
    def replace(units: Path) -> None:
        (units / "new").write_text("new")
        (units / "new").rename(units / "first")
        (units / "other").unlink()
        (units / "left").unlink()
        (units / "alone").unlink()

    assert units_after(working, replace, append("third")) == {
        "first": ("f", "new"), "second": ("f", "first+"), "third": ("hsecond", "first+"),
        "another": ("f", "other"),
    }  # fmt: skip


def test_a_name_that_is_moved_or_added_stays_one_of_the_file(working: Work) -> None:
    def move(units: Path) -> None:
        (units / "first").rename(units / "zero")
        (units / "zoo").hardlink_to(units / "other")

    assert units_after(working, move) == {
        "second": ("f", "first"), "third": ("hsecond", "first"), "zero": ("hsecond", "first"),
        "another": ("f", "other"), "other": ("hanother", "other"), "zoo": ("hanother", "other"),
        "alone": ("f", "left"), "left": ("halone", "left"),
    }  # fmt: skip


def test_owners_beyond_the_namespace_are_kept_unless_a_layer_gives_files_to_others(
    working: Work, tmp_path: Path
) -> None:
    packages = working.result("packages")
    base = archive.load(packages / INDEX, [packages / TREE])
    far = {f"{UNITS}/first".encode(): (70_000, 4_294_967_294), UNITS.encode(): (70_001, 5)}
    far[f"{UNITS}/left".encode()] = (70_002, 7)
    owned = base.changed(
        lambda each: (
            replace(each, uid=far[each.path][0], gid=far[each.path][1])
            if each.path in far
            else each
        )
    )
    for path in far:
        at = packages / TREE / os.fsdecode(path)
        entry = owned.find(path)
        assert entry is not None
        os.chown(at, shown(entry).uid, shown(entry).gid)
    archive.save(owned, packages / INDEX)

    class Changing(AdditionalFileSetting):
        def apply(self, tree: Tree) -> None:
            (at := tree.path / UNITS / "first").write_text("changed")
            os.chown(tree.path / UNITS / "left", 12, -1)
            assert (at.stat().st_uid, at.stat().st_gid) == (NOBODY, NOBODY)

    run(working, Changing("/etc/motd", content=""))
    layers = Work(tmp_path, {"packages": packages, "over": working.out}, tmp_path)
    merged = merged_archive(layers, ("packages", "over"), 1)
    found = {path: merged.find(path) for path in far}
    assert {path: each and (each.uid, each.gid) for path, each in found.items()} == {
        **far,
        f"{UNITS}/left".encode(): (12, 7),
    }
    assert merged.read(f"{UNITS}/first".encode()) == b"changed"


TAGS = {"owner": 1, "user": 2, "group": 4, "mask": 16, "other": 32}


def acl(*entries: tuple[str, int, int]) -> bytes:
    packed = (struct.pack("<HHI", TAGS[tag], may, number) for tag, may, number in entries)
    return struct.pack("<I", 2) + b"".join(packed)


NO_ID = 0xFFFFFFFF
FAR_ACL = acl(
    ("owner", 6, NO_ID), ("user", 4, 70_000), ("group", 4, NO_ID), ("mask", 4, NO_ID),
    ("other", 0, NO_ID),
)  # fmt: skip
HIDDEN = (
    (b"security.capability", THEIR_CAPABILITY),
    (b"security.ima", b"\3\2\4signature"),
    (b"security.selinux", b"system_u:object_r:lib_t:s0\0"),
    (b"system.posix_acl_access", FAR_ACL),
    (b"trusted.overlay.opaque", b"y"),
    (b"user.large", bytes(9000)),
    (b"user.overlay.opaque", b"y"),
)


def test_attributes_that_no_tree_can_have_are_kept(working: Work, tmp_path: Path) -> None:
    packages = working.result("packages")
    base = archive.load(packages / INDEX, [packages / TREE])
    kept = {f"{UNITS}/{name}".encode() for name in ("alone", "left", "first", "other", "third")}
    kept |= {f"{UNITS}/second".encode(), f"{UNITS}/another".encode(), UNITS.encode()}
    full = base.changed(lambda each: replace(each, xattrs=HIDDEN) if each.path in kept else each)
    source = GivenSource(data_of(full))
    shutil.rmtree(packages / TREE)
    (packages / TREE).mkdir()
    archive.unpack(Archive(full.entries, (source,)).changed(shown), packages / TREE)
    archive.save(full, packages / INDEX)

    class Changing(AdditionalFileSetting):
        def apply(self, tree: Tree) -> None:
            units = tree.path / UNITS
            (units / "first").write_text("changed")
            (units / "left").chmod(0o751)
            (units / "other").unlink()
            (units / "other").symlink_to("first")

    run(working, Changing("/etc/motd", content=""))
    layers = Work(tmp_path, {"packages": packages, "over": working.out}, tmp_path)
    merged = merged_archive(layers, ("packages", "over"), 1)
    found = {os.fsdecode(e.name): dict(e.xattrs) for e in merged if e.path in kept}
    opened = acl(
        ("owner", 7, NO_ID), ("user", 4, 70_000), ("group", 4, NO_ID), ("mask", 5, NO_ID),
        ("other", 1, NO_ID),
    )  # fmt: skip
    chmodded = {**dict(HIDDEN), b"system.posix_acl_access": opened}
    written = dict([HIDDEN[0], *HIDDEN[2:]])
    assert found == {
        "system": dict(HIDDEN), "another": dict(HIDDEN), "other": {},
        "left": chmodded, "alone": chmodded,
        "first": written, "second": written, "third": written,
    }  # fmt: skip


def data_of(whole: Archive) -> dict[bytes, bytes | Path]:
    return {e.path: whole.read(e.path) for e in whole if e.kind in (Kind.FILE, Kind.HARDLINK)}
