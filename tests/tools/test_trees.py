"""The tools: what is declared is locked, and what is locked becomes trees whose programs run."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dockyard.cli.tools import command
from dockyard.engine.events import Event, StepProgress
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.host import seal
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.packages.blobs import Blobs
from dockyard.packages.mirror_directory import fill
from dockyard.packages.origins import Origins
from dockyard.tools.declared import MARKS, TOOLS, declared_trees, target_of
from dockyard.tools.locking import lock_tools
from dockyard.tools.trees import (
    load_tools_lock,
    lock_path,
    made_by,
    own_lock_path,
    request,
    require_whole,
    tools_step,
    tools_tree,
)
from dockyard.tools.unpacked import ToolTrees

PROGRAMS = {
    "main": (
        "awk bash cpio createrepo_c debugfs dracut find fsck.erofs "
        "getcap getfacl getfattr gzip ldconfig lz4 mcopy mke2fs mkfs.erofs mkfs.vfat mksquashfs "
        "modinfo qemu-img qemu-system-x86_64 rpm rpmkeys sbsign sed sfdisk sh sqlite3 ssh "
        "ssh-keygen systemd-hwdb systemd-sysusers systemd-tmpfiles tar ukify veritysetup "
        "virt-fw-vars xorriso xz zstd"
    ),
    "testing": "sh mkfs.xfs xfs_db mkfs.btrfs btrfs",
}


@pytest.mark.parametrize("target", Architecture)
def test_the_shipped_locks_answer_what_is_declared(target: Architecture) -> None:
    lock, trees = load_tools_lock(target=target), declared_trees(target)
    assert lock.request == request(target), f"run: {made_by(target)}"
    for tree in trees:
        assert set(tree.wanted) <= {pin.name for pin in tree.pins(lock.packages)}
    assert sum(len(tree.pins(lock.packages)) for tree in trees) == len(lock.packages)
    assert target_of(lock.packages) is target
    require_whole(lock.packages, target=target)


def test_who_makes_images_for_the_tools_own_architecture_has_no_more_than_these() -> None:
    """So an image for another one shares most of what it fetches with them."""
    own, more = (
        {pin.nevra for pin in load_tools_lock(target=each).packages}
        for each in (TOOLS, Architecture.AARCH64)
    )
    assert {name.partition("_")[0] for name in more - own} >= {"qemu-user", "qemu-efi-aarch64"}
    assert len(more - own) < 10 and not own - more
    assert set(MARKS) == set(Architecture) - {TOOLS}
    for target, mark in MARKS.items():
        wanted = [{name for tree in declared_trees(each) for name in tree.wanted}
                  for each in (TOOLS, target)]  # fmt: skip
        assert mark in wanted[1] - wanted[0]
    with pytest.raises(DockyardError, match="does not pin the tools"):
        require_whole(load_tools_lock().packages, target=Architecture.AARCH64)


def test_packages_for_another_architecture_are_data_and_alone() -> None:
    target = Architecture.AARCH64
    [(suite, names)] = [pair for tree in declared_trees(target) for pair in tree.data.items()]
    assert (suite.architecture, names) == (target, ("grub-efi-arm64-bin",))
    found = {pin.name for pin in load_tools_lock(target=target).packages if pin.arch == "arm64"}
    assert found == set(names)
    assert not [pair for tree in declared_trees() for pair in tree.data.items()]
    assert not [pin for pin in load_tools_lock().packages if pin.arch == "arm64"]


def test_a_lock_of_ones_own_for_another_architecture_is_beside_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKYARD_TOOLS_LOCK", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    target = Architecture.AARCH64
    assert own_lock_path(target) == tmp_path / "dockyard/tools.aarch64.lock"
    assert lock_path(target).parent.name == "data"
    monkeypatch.setenv("DOCKYARD_TOOLS_LOCK", str(tmp_path / "mine.lock"))
    assert own_lock_path(target) == lock_path(target) == tmp_path / "mine.aarch64.lock"
    with pytest.raises(DockyardError, match=r"mine\.aarch64\.lock") as caught:
        load_tools_lock(target=target)
    assert "--architecture aarch64" in caught.value.problems[0].fix


def test_the_shipped_lock_names_no_host() -> None:
    assert not re.search(r"https?:|[a-z]\.(org|com|net)\b", lock_path().read_text())


def test_trees_are_found_by_their_pins_alone() -> None:
    pins = load_tools_lock().packages
    here = Origins(("https://here",))
    assert tools_step(pins).id == tools_step(reversed(pins), here).id
    assert tools_step(pins).id != tools_step(pins[1:]).id


def test_trees_that_are_there_need_nothing(tmp_path: Path) -> None:
    store, step = Store(tmp_path), tools_step(load_tools_lock().packages)
    place = store.place(step.id)
    place.mkdir()
    seal.write(place)
    store.note_answer(step, step.id)
    assert tools_tree(tmp_path, origins=Origins()) == ToolTrees(
        Tools(place / "main"), Tools(place / "testing")
    )


def test_a_lock_that_lost_a_tool_is_refused(tmp_path: Path) -> None:
    pins = [pin for pin in load_tools_lock().packages if pin.name not in ("rpm", "mtools")]
    with pytest.raises(DockyardError) as caught:
        require_whole(pins, str(tmp_path / "web.lock"), "dockyard lock web.yaml")
    [problem] = caught.value.problems
    assert (problem.code, problem.where) == ("tools.lock-stale", str(tmp_path / "web.lock"))
    assert problem.excerpt == ("main: mtools", "main: rpm")
    assert problem.fix == "run: dockyard lock web.yaml"


@pytest.mark.build
def test_a_tool_that_was_written_to_is_made_anew(
    tmp_path: Path, namespace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [pin for pin in load_tools_lock().packages if pin.name in ("dash", "libc6", "libc-bin")]
    store = tmp_path / "store"

    def hello() -> str:
        monkeypatch.setattr("dockyard.tools.trees._found_whole", set())  # a new run
        trees = tools_tree(store, few, origins=Origins.of_host(os.environ))
        return trees.main.run(["sh", "-c", "echo hello"]).text

    assert hello() == "hello\n"
    shell = Store(store).path(tools_step(few)) / "main/usr/bin/dash"
    whole, made = shell.read_bytes(), shell.stat()
    assert hello() == "hello\n" and shell.stat().st_ctime_ns == made.st_ctime_ns
    with shell.open("r+b") as file:
        file.write(b"#!/bin/false")
    assert hello() == "hello\n" and shell.read_bytes() == whole


def test_the_list_is_for_people_and_for_programs() -> None:
    text = CliRunner().invoke(command, []).output
    assert re.search(r"^e2fsprogs +\S+ +\S+ KiB  File systems$", text, re.MULTILINE)
    answer = CliRunner().invoke(command, ["--all", "--json"]).output
    rows = json.loads(answer)["result"]["packages"]
    assert {row["tree"] for row in rows} == {"main", "testing"}
    assert len(rows) == len(load_tools_lock().packages)


@pytest.mark.build
def test_every_program_that_is_wanted_is_there(tools: Tools, testing_tools: Tools) -> None:
    for tree, programs in ((tools, PROGRAMS["main"]), (testing_tools, PROGRAMS["testing"])):
        script = f"for name in {programs}; do command -v $name >/dev/null || echo $name; done"
        assert tree.run(["sh", "-c", script]).text == ""


@pytest.mark.build
def test_no_program_lacks_a_library(tools: Tools, testing_tools: Tools) -> None:
    script = """for file in /usr/bin/* /usr/sbin/*; do
        [ "$(head -c4 $file | tr -d '\\0')" = "$(printf '\\177ELF')" ] || continue
        /lib64/ld-linux-x86-64.so.2 --list $file 2>/dev/null | sed -n "s|.*not found.*|$file &|p"
    done"""
    assert tools.run(["sh", "-c", script]).text == ""
    assert "not found" not in testing_tools.run(["mkfs.xfs", "-V"]).text


@pytest.mark.build
def test_trees_are_made_from_an_offline_directory_alone(tmp_path: Path, namespace: None) -> None:
    """Network is needed once; afterwards a directory does, and gives the same tree."""
    lock = load_tools_lock()
    few = [pin for pin in lock.packages if pin.name in ("libc6", "libc-bin", "dash", "base-files")]
    store, origins = tmp_path / "store", Origins.of_host(os.environ)
    local = Path(os.environ.get("DOCKYARD_STORE", Path.home() / ".cache/dockyard"))
    wanted = {tmp_path / "few.lock": type(lock)("few", None, lock.repositories, tuple(few))}
    filled = fill(wanted, tmp_path / "mirror", local, origins, {})
    assert (filled.files, filled.made) == (len({pin.digest for pin in few}), ())

    seen: list[Event] = []
    offline = Origins((), (tmp_path / "mirror",))
    trees = tools_tree(store, few, seen.append, origins=offline)
    assert trees.main.run(["sh", "-c", "echo hello"]).text == "hello\n"
    told = [each for each in seen if isinstance(each, StepProgress)]
    assert (told[-1].done, told[-1].unit) == (len(few), "packages")
    assert Blobs(store / "blobs").has(few[0].digest)
    assert not list((store / "work").iterdir())


@pytest.mark.build
def test_the_archive_still_answers_what_is_declared(tmp_path: Path) -> None:
    lock = lock_tools(tmp_path, Origins.of_host(os.environ))
    shipped = load_tools_lock()
    assert lock.request == shipped.request
    assert {entry.id for entry in lock.repositories} == {entry.id for entry in shipped.repositories}
    names = {pin.name for pin in lock.packages}
    assert {"mtools", "xfsprogs", "libarchive13t64"} <= names


def test_a_store_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dockyard.tools.unpacking.fetch_pins", full)
    with pytest.raises(DockyardError) as caught:
        tools_tree(tmp_path, origins=Origins())
    assert caught.value.problems[0].code == "host.no-space"


def test_a_half_made_tree_never_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched is not there: it fails in the middle."""
    monkeypatch.setattr("dockyard.tools.unpacking.fetch_pins", lambda *_: None)
    with pytest.raises(DockyardError):
        tools_tree(tmp_path, origins=Origins())
    assert not list((tmp_path / "results").iterdir()) and not list((tmp_path / "work").iterdir())


def test_a_lock_of_the_users_own_comes_before_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKYARD_TOOLS_LOCK", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    shipped = lock_path()
    assert shipped.parts[-3:] == ("dockyard", "data", "tools.lock")
    own = tmp_path / "dockyard/tools.lock"
    own.parent.mkdir()
    own.write_bytes(shipped.read_bytes())
    assert lock_path() == own == own_lock_path()
    monkeypatch.setenv("DOCKYARD_TOOLS_LOCK", str(tmp_path / "named.lock"))
    assert lock_path() == own_lock_path() == tmp_path / "named.lock"


def test_tools_lock_writes_to_the_users_configuration_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKYARD_TOOLS_LOCK", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    shipped = lock_path()
    before, lock = shipped.read_bytes(), load_tools_lock()
    outcome = [lock]
    monkeypatch.setattr("dockyard.tools.locking.lock_tools", lambda *_: outcome[-1], raising=True)

    def tools_lock() -> Result:
        words = ["lock", "--store", str(tmp_path / "store"), "--progress", "quiet"]
        return CliRunner().invoke(command, words)

    unmoved = tools_lock()
    assert unmoved.exit_code == 0 and str(shipped) in unmoved.output
    assert not (tmp_path / "config").exists()
    outcome.append(dataclasses.replace(lock, packages=lock.packages[1:]))
    assert str(tmp_path / "config/dockyard/tools.lock") in tools_lock().output
    assert (tmp_path / "config/dockyard/tools.lock").is_file()
    assert shipped.read_bytes() == before
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc")
    failed = tools_lock()
    assert isinstance(failed.exception, DockyardError)
    assert failed.exception.problems[0].code == "tools.lock-write"
