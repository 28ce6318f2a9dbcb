"""Installing small RPMs: what counts as a failure, and what the database depends on."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools
from dockyard.install.rpm import file_owners, header_digests, install, verify
from dockyard.model.family import HARBOR
from dockyard.packages.rpm.contents import (
    PackagedFile,
    PackageScriptlet,
    RpmPackage,
    RpmRelation,
)
from dockyard.packages.rpm.writer import write_package

pytestmark = pytest.mark.build

EPOCH = 1_700_000_000
DBPATH = HARBOR.packaging.database


def make(
    directory: Path,
    name: str,
    *files: PackagedFile,
    requires: Sequence[str] = (),
    scriptlets: Sequence[PackageScriptlet] = (),
) -> Path:
    package = RpmPackage(
        name=name,
        version="1",
        release="1",
        summary=f"The package {name}",
        license="MIT",
        build_time=EPOCH,
        files=files,
        requires=[RpmRelation(text) for text in requires],
        # As if the shell of the tree were a package's.
        provides=[RpmRelation(name), RpmRelation("/bin/sh")],
        scriptlets=scriptlets,
    )
    path = directory / package.file_name
    with path.open("wb") as out:
        write_package(package, out)
    return path


def text_file(path: str, text: str = "text\n", **attributes: object) -> PackagedFile:
    return PackagedFile(path, stat.S_IFREG | 0o644, text.encode(), **attributes)  # type: ignore[arg-type]


def several(directory: Path) -> list[Path]:
    return [
        make(directory, f"package{number}", text_file(f"/usr/share/{number}"))
        for number in range(12)
    ]


def new_root(directory: Path, name: str) -> Path:
    root = directory / name
    make_root(root)
    return root


def database(root: Path) -> bytes:
    return (root / "var/lib/rpm/rpmdb.sqlite").read_bytes()


def test_files_come_with_their_attributes(tools: Tools, tmp_path: Path) -> None:
    file = PackagedFile("/usr/bin/tool", stat.S_IFREG | 0o4755, b"#!\n", mtime=EPOCH - 5)
    root = new_root(tmp_path, "root")
    install([make(tmp_path, "tool", file)], root, tools, EPOCH, DBPATH)
    found = (root / "usr/bin/tool").stat()
    assert stat.S_IMODE(found.st_mode) == 0o4755
    assert (found.st_uid, found.st_gid, found.st_mtime) == (0, 0, EPOCH - 5)
    assert verify(root, tools, DBPATH) == ()


def test_changed_file_is_seen_by_verify(tools: Tools, tmp_path: Path) -> None:
    root = new_root(tmp_path, "root")
    install([make(tmp_path, "tool", text_file("/usr/tool"))], root, tools, EPOCH, DBPATH)
    (root / "usr/tool").write_text("else\n")
    assert [line.split()[-1] for line in verify(root, tools, DBPATH)] == ["/usr/tool"]


def test_the_digest_of_a_header_tells_packages_of_one_name_apart(
    tools: Tools, tmp_path: Path
) -> None:
    told = []
    for name, requires in (("one", ()), ("again", ()), ("other", ["/bin/sh"])):
        (tmp_path / name).mkdir()
        root = new_root(tmp_path, f"root-{name}")
        path = make(tmp_path / name, "tool", text_file("/usr/tool"), requires=requires)
        install([path], root, tools, EPOCH, DBPATH)
        told.append(header_digests(root, tools, DBPATH))
    assert list(told[0]) == ["tool-1-1.noarch"] and len(told[0]["tool-1-1.noarch"]) == 64
    assert told[0] == told[1] != told[2]


def test_database_depends_on_neither_order_nor_history(tools: Tools, tmp_path: Path) -> None:
    packages = several(tmp_path)
    one, other, third = (new_root(tmp_path, name) for name in ("one", "other", "third"))
    install(packages, one, tools, EPOCH, DBPATH)
    # A store's names follow digests: an order that has nothing to do with the packages' names.
    shuffled = []
    for number, package in enumerate(random.Random(3).sample(packages, len(packages))):
        shuffled.append(tmp_path / f"{number:064x}")
        os.link(package, shuffled[-1])
    install(shuffled, other, tools, EPOCH, DBPATH)
    install(packages[6:], third, tools, EPOCH - 1000, DBPATH)
    install(packages[:6], third, tools, EPOCH, DBPATH)
    assert database(one) == database(other) == database(third)
    assert [path.name for path in (one / "var/lib/rpm").iterdir()] == ["rpmdb.sqlite"]


def test_database_depends_on_the_set(tools: Tools, tmp_path: Path) -> None:
    packages = several(tmp_path)
    one, other = new_root(tmp_path, "one"), new_root(tmp_path, "other")
    install(packages, one, tools, EPOCH, DBPATH)
    install(packages[1:], other, tools, EPOCH, DBPATH)
    assert database(one) != database(other)


def test_failing_scriptlet_is_an_error(tools: Tools, tmp_path: Path) -> None:
    bad = PackageScriptlet("post", ("<lua>",), 'print("words of the scriptlet") error("broken")')
    package = make(tmp_path, "bad", text_file("/usr/bad"), scriptlets=[bad])
    with pytest.raises(DockyardError) as caught:
        install([package], new_root(tmp_path, "root"), tools, EPOCH, DBPATH)
    (problem,) = caught.value.problems
    assert problem.code == "tree.scriptlet-failed"
    assert "bad-1-1" in problem.why
    assert any("broken" in line for line in problem.excerpt)


ESCAPES = (
    "chroot /proc/1/root mount -o remount,bind,rw /usr",
    "mount -t tmpfs none /mnt",
    "unshare --user true",
    "touch /dev/.tools/usr/bin/new",
    "touch /dev/.packages/0/new",
    "echo x > /proc/sys/kernel/core_pattern",
    "chroot / true",
    "mknod /disk b 8 0",
)
LUA_ESCAPES = (
    'posix.chroot("/")',
    'posix.mkdir("/dev/.tools/usr/bin/new")',
    'io.open("/proc/sys/kernel/core_pattern", "w")',
)


def test_scriptlets_reach_nothing_but_the_tree(
    tools: Tools, shell_tree: Path, tmp_path: Path
) -> None:
    tried = "".join(f"if {attack}; then echo '{attack}' >> /escaped; fi\n" for attack in ESCAPES)
    scriptlet = PackageScriptlet("post", script=f"{tried}echo ran > /ran")
    package = make(tmp_path, "hostile", text_file("/usr/hostile"), scriptlets=[scriptlet])
    install([package], shell_tree, tools, EPOCH, DBPATH)
    assert (shell_tree / "ran").read_text() == "ran\n"
    assert not (shell_tree / "escaped").exists()


def test_lua_scriptlets_reach_nothing_but_the_tree(tools: Tools, tmp_path: Path) -> None:
    script = "".join(
        f"""
local done, result = pcall(function() return {attack} end)
if done and result and result ~= -1 then error([[{attack}]]) end
"""
        for attack in LUA_ESCAPES
    )
    scriptlet = PackageScriptlet("post", ("<lua>",), script)
    package = make(tmp_path, "hostile", text_file("/usr/hostile"), scriptlets=[scriptlet])
    install([package], new_root(tmp_path, "root"), tools, EPOCH, DBPATH)


def test_a_scriptlet_without_end_is_ended(
    tools: Tools, shell_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKYARD_LIMIT_TIME", "2")
    scriptlet = PackageScriptlet("post", script="echo begun >&2; sleep 600")
    package = make(tmp_path, "endless", text_file("/usr/endless"), scriptlets=[scriptlet])
    with pytest.raises(DockyardError, match="ran for more than 2 s"):
        install([package], shell_tree, tools, EPOCH, DBPATH)


def test_unknown_owner_is_an_error(tools: Tools, tmp_path: Path) -> None:
    package = make(tmp_path, "owned", text_file("/usr/owned", owner="ghost", group="crew"))
    accounts = (
        text_file("/etc/passwd", "root:x:0:0::/:/bin/sh\n"),
        text_file("/etc/group", "root:x:0:\n"),
    )
    root = new_root(tmp_path, "root")
    install([make(tmp_path, "accounts", *accounts)], root, tools, EPOCH, DBPATH)
    with pytest.raises(DockyardError) as caught:
        install([package], root, tools, EPOCH, DBPATH)
    (problem,) = caught.value.problems
    assert problem.code == "tree.unknown-owner"
    assert "crew, ghost" in problem.what


def test_missing_dependency_names_it(tools: Tools, tmp_path: Path) -> None:
    package = make(tmp_path, "needy", text_file("/usr/needy"), requires=["what-is-not-there"])
    root = new_root(tmp_path, "root")
    with pytest.raises(DockyardError) as caught:
        install([package], root, tools, EPOCH, DBPATH)
    (problem,) = caught.value.problems
    assert problem.code == "tree.install-failed"
    assert any("what-is-not-there is needed by needy" in line for line in problem.excerpt)
    assert not (root / "usr/needy").exists()


def test_file_conflict_is_an_error(tools: Tools, tmp_path: Path) -> None:
    packages = [
        make(tmp_path, "one", text_file("/usr/same", "one\n")),
        make(tmp_path, "two", text_file("/usr/same", "two\n")),
    ]
    with pytest.raises(DockyardError) as caught:
        install(packages, new_root(tmp_path, "root"), tools, EPOCH, DBPATH)
    assert caught.value.problems[0].code == "tree.install-failed"
    assert "/usr/same" in "".join(caught.value.problems[0].excerpt)


def test_link_in_the_tree_does_not_reach_the_host(tools: Tools, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = PackagedFile("/opt", stat.S_IFLNK | 0o777, target=str(outside))
    root = new_root(tmp_path, "root")
    install([make(tmp_path, "link", link)], root, tools, EPOCH, DBPATH)
    package = make(tmp_path, "through", text_file("/opt/file"))
    with pytest.raises(DockyardError):
        install([package], root, tools, EPOCH, DBPATH)
    assert not list(outside.iterdir())


def test_a_database_that_is_a_link_out_of_the_tree_is_none(tools: Tools, tmp_path: Path) -> None:
    root, outside = new_root(tmp_path, "root"), tmp_path / "outside"
    install([make(tmp_path, "a", text_file("/usr/a"))], root, tools, EPOCH, DBPATH)
    assert file_owners(root, tools, tmp_path / "scratch", DBPATH)[b"usr/a"].startswith("a-")
    (root / "var/lib/rpm").rename(outside)
    (root / "var/lib/rpm").symlink_to(outside)
    assert file_owners(root, tools, tmp_path / "scratch", DBPATH) == {}
    assert not (tmp_path / "scratch").exists()


def test_a_database_elsewhere_in_the_tree_is_the_same(tools: Tools, tmp_path: Path) -> None:
    plain, linked = new_root(tmp_path, "plain"), new_root(tmp_path, "linked")
    make_root(linked / "srv")
    make_root(linked / "srv/rpm")
    (linked / "var/lib").mkdir(parents=True)
    (linked / "var/lib/rpm").symlink_to("/srv/rpm")
    for root in (plain, linked):
        install([make(tmp_path, "tool", text_file("/usr/tool"))], root, tools, EPOCH, DBPATH)
    assert (linked / "srv/rpm/rpmdb.sqlite").read_bytes() == database(plain)
    assert [path.name for path in (linked / "srv/rpm").iterdir()] == ["rpmdb.sqlite"]


def test_packages_are_counted_as_they_come(tools: Tools, tmp_path: Path) -> None:
    counts: list[int] = []
    install(
        several(tmp_path), new_root(tmp_path, "root"), tools, EPOCH, DBPATH, installed=counts.append
    )
    assert counts == list(range(1, 13))
