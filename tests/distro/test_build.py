"""A small distribution, built into a signed repository: again, changed, and refused."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from debs import directory, documents, file, make_deb

from dockyard.distro.build import BuiltDistro, build_distro
from dockyard.distro.check import check_repository
from dockyard.errors import DockyardError
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools
from dockyard.install.rpm import install, verify
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin
from dockyard.packages import lockfile
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import Suite
from dockyard.packages.deb.sources import Origins
from dockyard.packages.rpm.reader import content_digest
from dockyard.packages.rpm.signature import check_digests

pytestmark = pytest.mark.build

DISTRO = """\
name: small
version: "1"
title: Small
epoch: 1767225600
upstream: {debian: {suites: [{name: trixie}]}}
components: [all.yaml]
packages: [base.yaml]
"""
BASE = """\
name: base
version: "1"
summary: The base
license: MIT
directories: [{path: /usr}, {path: /usr/bin}]
files: [{path: /etc/passwd, source: passwd}, {path: /etc/group, content: "root:x:0:\\n"}]
"""
SUITE = Suite("trixie").id
COMPONENTS = "components: {tool: {requiresPre: [base]}, library: }\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A distribution of two imported packages and one of its own, with its offline mirror."""
    place, mirror = tmp_path / "small", Blobs(tmp_path / "mirror")
    place.mkdir()
    (place / "distro.yaml").write_text(DISTRO)
    (place / "base.yaml").write_text(BASE)
    (place / "all.yaml").write_text(COMPONENTS)
    (place / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    pins = []
    for name, needs in (("tool", {"Depends": "library (>= 1)"}), ("library", {})):
        entries = [*documents(name), directory("usr/bin"), file(f"usr/bin/{name}", b"x", 0o755)]
        deb = make_deb(tmp_path / f"{name}.deb", name, entries, **needs)
        digest = mirror.add_file(deb)
        size = deb.stat().st_size
        where = f"pool/{name}.deb"
        pins.append(Pin(name, "1.2-3", "amd64", SUITE, where, PackageKind.DEB, size, digest=digest))
    repositories = (LockedRepository(SUITE, PackageKind.DEB),)
    lock = Lock("small", repositories=repositories, packages=tuple(pins))
    (place / "distro.lock").write_text(lockfile.dump(lock))
    return place


def _build(small: Path, tools: Tools, store: str = "store", check: bool = True) -> BuiltDistro:
    return build_distro(
        small,
        small.parent / store,
        lambda: tools,
        origins=Origins(offline=(small.parent / "mirror",)),
        keys=small.parent / f"{store}-keys",
        check=check,
    )


def _refused(small: Path, tools: Tools) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        _build(small, tools)
    return [problem.code for problem in caught.value.problems]


def _packages(built: BuiltDistro) -> dict[str, Path]:
    return {path.name: path for path in sorted(built.path.glob("Packages/*.rpm"))}


def test_a_repository_is_published_signed_and_whole(small: Path, tools: Tools) -> None:
    built = _build(small, tools)
    assert built.path == small.parent / "store/repositories/small"
    assert set(_packages(built)) == {
        "base-1-1.noarch.rpm",
        "library-1.2-3.x86_64.rpm",
        "tool-1.2-3.x86_64.rpm",
    }
    assert check_repository(built.path) == ()
    names = {path.name for path in (built.path / "repodata").iterdir()}
    assert {"repomd.xml", "repomd.xml.asc"} <= names
    key = built.path / "RPM-GPG-KEY-small"
    done = tools.run(
        [
            "sh",
            "-euc",
            f"mkdir /tmp/db; rpmkeys --dbpath /tmp/db --import {key}; rpmkeys --dbpath /tmp/db "
            f"--define '_pkgverify_level all' -K {built.path}/Packages/*.rpm; "
            f"sqv --keyring {key} {built.path}/repodata/repomd.xml.asc "
            f"{built.path}/repodata/repomd.xml",
        ],
        read=[built.path.resolve(), built.path],
        check=False,
    )
    assert done.status == 0, done.stdout + done.stderr
    assert done.text.count("digests signatures OK") == 3
    secret = small.parent / "store-keys/small.pgp"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_nothing_is_made_twice(small: Path, tools: Tools) -> None:
    first = _build(small, tools)
    again = _build(small, tools)
    assert (first.made, first.changed) == (3, True)
    assert (again.made, again.changed) == (0, False)
    (small / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    changed = _build(small, tools)
    assert (changed.made, changed.changed) == (1, True)
    (warning,) = changed.remarks
    assert warning.code == "distro.version-kept" and warning.what.endswith(": base-1-1.noarch")
    (small / "all.yaml").write_text(COMPONENTS + "# a comment\n")
    touched = _build(small, tools)
    assert (touched.made, touched.changed, touched.remarks) == (0, True, ())
    # This one and the one before, for those who still read it.
    assert len([*touched.path.parent.glob(".small-*")]) == 2


def test_the_content_is_the_same_for_every_builder(small: Path, tools: Tools) -> None:
    one, two = _build(small, tools), _build(small, tools, "other")
    assert one.fingerprint != two.fingerprint
    first, second = _packages(one), _packages(two)
    assert {name: content_digest(path) for name, path in first.items()} == {
        name: content_digest(path) for name, path in second.items()
    }
    for path in first.values():
        check_digests(path)


def test_what_is_published_stays_when_a_build_is_refused(small: Path, tools: Tools) -> None:
    built = _build(small, tools)
    before = built.path.resolve()
    (small / "all.yaml").write_text("components: {tool: {requires: [gone]}, library: }\n")
    with pytest.raises(DockyardError) as caught:
        _build(small, tools)
    (problem,) = caught.value.problems
    assert problem.code == "distro.unmet"
    assert str(problem.where).endswith("all.yaml:1:14")
    assert built.path.resolve() == before
    assert [path.name for path in before.parent.glob(".small.*.part")] == []
    assert _build(small, tools, check=False).changed


@pytest.mark.parametrize(
    ("components", "codes"),
    [
        ("{tool: {drop: [/gone]}, library: {config: [/gone]}}", ["distro.unused-declaration"] * 2),
        ("{tool: {dropRequires: [gone]}, library: }", ["distro.unused-declaration"]),
        ("{tool: {conflicts: [library]}, library: }", ["distro.uninstallable"]),
        (
            '{tool: {files: [{path: /usr/bin/library, content: "y"}]}, library: }',
            ["distro.file-conflict"],
        ),
        (
            '{tool: {directories: [{path: /usr/bin, mode: "0700"}]}, library: }',
            ["distro.file-conflict"],
        ),
        ("{tool: {attributes: [{path: /usr/bin/tool, group: odd}]}, library: }", ["distro.unmet"]),
        ("{tool: }", ["distro.lock-stale"]),
        ("{tool: {requires: [a b]}, library: }", ["distro.invalid"]),
    ],
)
def test_what_is_refused(small: Path, tools: Tools, components: str, codes: list[str]) -> None:
    (small / "all.yaml").write_text(f"components: {components}\n")
    assert _refused(small, tools) == codes


def test_a_lock_of_other_suites_is_refused(small: Path, tools: Tools) -> None:
    (small / "distro.yaml").write_text(DISTRO.replace("trixie", "sid"))
    assert _refused(small, tools) == ["distro.lock-stale"]


def test_what_dead_processes_left_is_removed(small: Path, tools: Tools) -> None:
    dead, living = 2**22 + 1, os.getpid()
    place = small.parent / "store/converted"
    place.mkdir(parents=True)
    for process in (dead, living):
        (place / f".key.rpm.{process}.part").write_bytes(b"half")
    _build(small, tools)
    assert [path.name for path in place.glob(".*.part")] == [f".key.rpm.{living}.part"]


def test_what_the_archive_lost_is_mended_by_the_distributions_lock(
    small: Path, tools: Tools
) -> None:
    mirror = (small.parent / "empty").absolute()
    mirror.mkdir()
    with pytest.raises(DockyardError) as caught:
        build_distro(
            small,
            small.parent / "store",
            lambda: tools,
            origins=Origins(mirrors=(mirror.as_uri(),)),
            keys=small.parent / "keys",
        )
    assert {problem.code for problem in caught.value.problems} == {"fetch.gone"}
    assert all("distro lock --refresh-missing" in problem.fix for problem in caught.value.problems)


def test_packages_that_exclude_each_other_may_share_paths(small: Path, tools: Tools) -> None:
    (small / "all.yaml").write_text(
        "components: {tool: {dropRequires: [library], conflicts: [library],"
        ' files: [{path: /usr/bin/library, content: "y"}]}, library: }\n'
    )
    assert _build(small, tools).changed


def test_rpm_installs_what_was_built(small: Path, tools: Tools, tmp_path: Path) -> None:
    built = _build(small, tools)
    root = tmp_path / "root"
    make_root(root)
    packages = sorted(built.path.resolve().glob("Packages/*.rpm"))
    install(packages, root, tools, 1_767_225_600)
    assert verify(root, tools) == ()
    assert (root / "usr/bin/tool").stat().st_mtime == 1_700_000_000


def test_what_dropped_scripts_would_make_is_warned_of(small: Path, tools: Tools) -> None:
    mirror = Blobs(small.parent / "mirror")
    deb = make_deb(small.parent / "tool.deb", "tool", postinst="adduser --system tool\n")
    lock = lockfile.load(small / "distro.lock", "")
    library, tool = lock.packages
    pin = replace(tool, digest=mirror.add_file(deb), size=deb.stat().st_size)
    lock = replace(lock, packages=(library, pin))
    (small / "distro.lock").write_text(lockfile.dump(lock))
    assert [each.code for each in _build(small, tools).remarks] == ["distro.script-dropped"]
    (small / "all.yaml").write_text(
        "components: {tool: {requiresPre: [base], doWithout: [tool]}, library: }\n"
    )
    silent = _build(small, tools)
    assert (silent.remarks, silent.made, silent.changed) == ((), 0, True)
