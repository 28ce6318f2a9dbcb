"""Changing the packages of a tree that exists: rpm's order, its scriptlets, and its database."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools
from dockyard.install.change import Database, change
from dockyard.install.rpm import install, verify
from dockyard.install.rpmdb import Backend
from dockyard.install.unmanaged import remove_manager
from dockyard.model.architecture import Architecture
from dockyard.model.family import HARBOR
from dockyard.packages.rpm import writer
from dockyard.packages.rpm.contents import (
    PackagedFile,
    PackageScriptlet,
    RpmPackage,
    parse_relation,
)
from dockyard.packages.rpm.writer import write_package

pytestmark = pytest.mark.build

EPOCH = 1_700_000_000
PLACE = Database("/usr/lib/sysimage/rpm")


def make(
    directory: Path,
    name: str,
    version: str = "1",
    *,
    epoch: int | None = None,
    arch: str = "noarch",
    events: Sequence[str] = ("pre", "post", "preun", "postun"),
    file: str = "",
    script: str = "",
    requires: Sequence[str] = (),
    provides: Sequence[str] = (),
) -> Path:
    """A package with a file that names its version, and scriptlets that write down when they ran,
    and with what argument.
    """
    note = 'local f = io.open("/said", "a") f:write("{} {} {} " .. arg[2] .. "\\n") f:close()'
    scriptlets = [
        PackageScriptlet(each, ("<lua>",), script or note.format(name, version, each))
        for each in events
    ]
    evr = f"{f'{epoch}:' if epoch else ''}{version}-1"
    package = RpmPackage(
        name=name,
        version=version,
        release="1",
        epoch=epoch,
        architecture=arch,
        summary=f"The package {name}",
        license="MIT",
        build_time=EPOCH,
        files=[
            PackagedFile(
                file or f"/usr/share/{name}", stat.S_IFREG | 0o644, f"{version}\n".encode()
            )
        ],
        scriptlets=scriptlets,
        requires=[parse_relation(each) for each in requires],
        provides=[parse_relation(each) for each in (*provides, f"{name} = {evr}")],
    )
    directory.mkdir(exist_ok=True)
    path = directory / package.file_name
    with path.open("wb") as out:
        write_package(package, out)
    return path


def tree(tools: Tools, place: Path, *packages: Path, epoch: int = EPOCH - 9) -> Path:
    make_root(place)
    install(packages, place, tools, epoch, PLACE.directory)
    (place / "said").unlink(missing_ok=True)
    return place


def ask(tools: Tools, root: Path, *words: str, backend: Backend = Backend.SQLITE) -> list[str]:
    """What the rpm of the tools says of the database of a tree."""
    command = ["rpm", *backend.option, "--root", str(root), "--dbpath", PLACE.directory, *words]
    return tools.run(command, write=[root]).text.splitlines()


def names(tools: Tools, root: Path, backend: Backend = Backend.SQLITE) -> list[str]:
    return sorted(ask(tools, root, "-qa", "--qf", "%{NEVR}\\n", backend=backend))


def test_one_transaction_installs_updates_and_then_removes(tools: Tools, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    root = tree(
        tools,
        tmp_path / "root",
        make(old, "app", requires=["lib", "awk"]),
        make(old, "lib"),
        make(old, "mawk", epoch=2, provides=["awk"]),
        make(old, "still"),
    )
    come = [
        make(new, "gawk", provides=["awk"]),
        make(new, "lib", "2"),
        # Its file is the one of the package that goes: no conflict, as both are one change.
        make(new, "plain", file="/usr/share/mawk", events=()),
    ]
    change(come, ["lib-1-1.noarch", "mawk-2:1-1.noarch"], root, tools, EPOCH, PLACE)
    assert names(tools, root) == ["app-1-1", "gawk-1-1", "lib-2-1", "plain-1-1", "still-1-1"]
    said = (root / "said").read_text().splitlines()
    assert sorted(said) == sorted([
        "gawk 1 pre 1", "gawk 1 post 1", "lib 2 pre 2", "lib 2 post 2", "lib 1 preun 1",
        "lib 1 postun 1", "mawk 1 preun 0", "mawk 1 postun 0",
    ])  # fmt: skip
    assert said.index("gawk 1 post 1") < said.index("mawk 1 preun 0")
    assert said.index("lib 2 post 2") < said.index("lib 1 preun 1")
    assert (root / "usr/share/mawk").read_text() == "1\n"
    # rpm itself finds nothing missing, changed or unfulfilled.
    assert verify(root, tools, PLACE.directory) == ()


def test_only_what_came_has_the_time_of_the_change(tools: Tools, tmp_path: Path) -> None:
    root = tree(tools, tmp_path / "root", make(tmp_path / "old", "a"), make(tmp_path / "old", "b"))
    change([make(tmp_path / "new", "a", "2")], ["a-1-1.noarch"], root, tools, EPOCH, PLACE)
    told = ask(tools, root, "-qa", "--qf", "%{NEVR} %{INSTALLTIME}\\n")
    assert sorted(told) == [f"a-2-1 {EPOCH}", f"b-1-1 {EPOCH - 9}"]


def test_the_same_change_gives_the_same_bytes(tools: Tools, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    had = [make(old, f"p{n}") for n in range(8)]
    come = [make(new, f"p{n}", "2") for n in range(4)] + [make(new, "q")]
    gone = [f"p{n}-1-1.noarch" for n in (0, 1, 2, 3, 6)]
    data = []
    for name, packages in (("one", come), ("other", come[::-1])):
        root = tree(tools, tmp_path / name, *had)
        change(packages, gone, root, tools, EPOCH, PLACE)
        place = root / PLACE.directory.strip("/")
        assert [each.name for each in place.iterdir()] == ["rpmdb.sqlite"]
        data.append((place / "rpmdb.sqlite").read_bytes())
    assert data[0] == data[1]


def test_versions_stand_beside_one_another_where_none_is_to_go(
    tools: Tools, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    root = tree(tools, tmp_path / "root", make(old, "kernel", file="/boot/1"), make(old, "app"))
    come = [
        make(new, "kernel", "2", file="/boot/2"),
        make(new, "app", "2", requires=["kernel = 2-1"]),
    ]
    change(come, ["app-1-1.noarch"], root, tools, EPOCH, PLACE)
    assert names(tools, root) == ["app-2-1", "kernel-1-1", "kernel-2-1"]
    change([], ["kernel-1-1.noarch"], root, tools, EPOCH, PLACE)
    assert names(tools, root) == ["app-2-1", "kernel-2-1"]
    assert verify(root, tools, PLACE.directory) == ()


def test_one_of_two_architectures_goes(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lead has a number for each architecture, and nobody reads it.
    plain = writer.lead
    monkeypatch.setattr(writer, "lead", lambda each: plain(replace(each, architecture="noarch")))
    old, new = tmp_path / "old", tmp_path / "new"
    root = tree(
        tools,
        tmp_path / "root",
        make(old, "lib", arch="x86_64", epoch=1, file="/usr/lib64/lib"),
        make(old, "lib", arch="i686", epoch=1, file="/usr/lib/lib"),
    )
    change([make(new, "app")], ["lib-1:1-1.i686"], root, tools, EPOCH, PLACE)
    assert sorted(ask(tools, root, "-qa")) == ["app-1-1.noarch", "lib-1-1.x86_64"]
    assert not (root / "usr/lib/lib").exists() and (root / "usr/lib64/lib").exists()


def test_an_older_version_is_installed_where_that_was_decided(tools: Tools, tmp_path: Path) -> None:
    root = tree(tools, tmp_path / "root", make(tmp_path / "old", "app", "2"))
    change([make(tmp_path / "new", "app")], ["app-2-1.noarch"], root, tools, EPOCH, PLACE)
    assert names(tools, root) == ["app-1-1"]
    assert (root / "usr/share/app").read_text() == "1\n"


def test_a_scriptlet_that_fails_while_a_package_goes_is_an_error(
    tools: Tools, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    bad = make(old, "bad", script='error("no way")', events=["postun"])
    root = tree(tools, tmp_path / "root", bad, make(old, "good"))
    with pytest.raises(DockyardError, match="scriptlet") as caught:
        change([make(tmp_path / "new", "good", "2")], ["bad-1-1.noarch", "good-1-1.noarch"],
               root, tools, EPOCH, PLACE)  # fmt: skip
    assert "bad-1-1" in caught.value.problems[0].why


def test_what_is_still_needed_is_not_removed(tools: Tools, tmp_path: Path) -> None:
    old = tmp_path / "old"
    root = tree(tools, tmp_path / "root", make(old, "lib"), make(old, "app", requires=["lib"]))
    with pytest.raises(DockyardError) as caught:
        change([], ["lib-1-1.noarch"], root, tools, EPOCH, PLACE)
    assert any("app-1-1" in line for line in caught.value.problems[0].excerpt)


def test_a_database_of_the_kind_ndb_stays_one(tools: Tools, tmp_path: Path) -> None:
    database, data = Database(PLACE.directory, Backend.NDB), []
    had = [make(tmp_path / "old", "a"), make(tmp_path / "old", "b")]
    for name in ("one", "other"):
        root = tmp_path / name
        make_root(root)
        place = root / PLACE.directory.strip("/")
        tools.run(["mkdir", "-p", str(place)], write=[root])
        tools.run(["rpmdb", *Backend.NDB.option, "--dbpath", str(place), "--initdb"], write=[root])
        change(had, [], root, tools, EPOCH - 9, database)
        gone = ["a-1-1.noarch", "b-1-1.noarch"]
        change([make(tmp_path / "new", "a", "2")], gone, root, tools, EPOCH, database)
        assert names(tools, root, Backend.NDB) == ["a-2-1"]
        data.append([(place / each).read_bytes() for each in Backend.NDB.files])
    assert data[0] == data[1]


def test_the_package_manager_goes_with_its_data_and_what_needs_it(
    tools: Tools, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    packages = [
        make(old, "rpm", requires=["lib"]),
        make(old, "dnf", requires=["rpm"]),
        make(old, "plugin", requires=["dnf"]),
        make(old, "lib"),
        make(old, "kernel", file="/boot/vmlinuz-1"),
    ]

    def remove(name: str, protected: Sequence[str]) -> Path:
        root = tree(tools, tmp_path / name, *packages)
        tools.run(["sh", "-c", "mkdir -p $0/var/lib/dnf/x; ln -s /usr/lib/sysimage/rpm "
                   "$0/var/lib/rpm", str(root)], write=[root])  # fmt: skip
        remove_manager(
            root,
            tools,
            EPOCH,
            PLACE,
            HARBOR.packaging,
            Architecture.X86_64,
            tmp_path / "cache",
            protected=protected,
            kernels=["kernel"],
        )
        return root

    # Its own settings protect the manager from itself; that is no matter here.
    root = remove("root", ["dnf"])
    assert sorted(each.name for each in (root / "usr/share").iterdir()) == ["lib"]
    assert (root / "boot/vmlinuz-1").exists()
    said = (root / "said").read_text()
    assert all(f"{name} 1 postun 0" in said for name in ("rpm", "dnf", "plugin"))
    for path in ("usr/lib/sysimage/rpm", "var/lib/rpm", "var/lib/dnf"):
        assert not (root / path).exists() and not (root / path).is_symlink()
    with pytest.raises(DockyardError, match="would take the protected plugin along"):
        remove("other", ["plugin"])
