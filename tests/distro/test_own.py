"""Our own packages: made of declared files, announcing the users that they bring."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dockyard.distro.arguments import DistroFacts, OwnPackage
from dockyard.distro.making import write
from dockyard.distro.own import build
from dockyard.distro.sources import SourceFiles
from dockyard.errors import DockyardError, Position
from dockyard.model.components import Package
from dockyard.packages.rpm.contents import RpmPackage
from dockyard.packages.rpm.reader import read_package
from model_data import from_data


def _own(directory: Path, **more: Any) -> OwnPackage:
    fields = {"name": "own", "version": "1", "summary": "Own", "license": "MIT", **more}
    facts = DistroFacts("Distro 1", "Vendor", 1_600_000_000)
    package = from_data(Package, fields)
    sources = SourceFiles(directory).of(package)
    return OwnPackage(package=package, sources=sources, facts=facts, directory=directory)


def _provides(package: RpmPackage) -> list[str]:
    return [str(item) for item in package.provides]


def test_user_databases_announce_their_names(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\nsshd:x:77:77::/:/bin/false\n")
    files = [
        {"path": "/etc/passwd", "source": "passwd", "config": "noreplace"},
        {"path": "/etc/group", "content": "root:x:0:\nshadow:x:42:\n"},
        {"path": "/var/x", "content": "", "group": "shadow", "owner": "other"},
    ]
    package = build(_own(tmp_path, files=files))
    assert set(_provides(package)) == {
        "own = 1-1",
        "user(root)",
        "user(sshd)",
        "group(root)",
        "group(shadow)",
    }
    # What it gives itself, it cannot have before.
    assert [item.name for item in package.requires] == ["user(other)"]


def test_users_are_announced_as_rpm_reads_them(tmp_path: Path) -> None:
    line = 'u sshd 77 "Secure Shell" /run/sshd'
    package = build(_own(tmp_path, users=[line, "g extra 78"]))
    (file,) = package.files
    assert (file.path, file.data) == (
        "/usr/lib/sysusers.d/own.conf",
        f"{line}\ng extra 78\n".encode(),
    )
    versions = {item.name: item.version for item in package.provides}
    assert base64.b64decode(versions["user(sshd)"]).decode() == line
    assert versions["group(sshd)"] == ""
    assert base64.b64decode(versions["group(extra)"]) == b"g extra 78"


def test_an_own_package_is_the_same_bytes_twice(tmp_path: Path) -> None:
    own = _own(tmp_path, links={"/bin": "usr/bin"}, directories=[{"path": "/usr/bin"}])
    for name in ("a.rpm", "b.rpm"):
        write(own, build(own), tmp_path / name)
    assert (tmp_path / "a.rpm").read_bytes() == (tmp_path / "b.rpm").read_bytes()
    assert read_package(tmp_path / "a.rpm").nevra == "own-1-1.noarch"


def _codes(own: OwnPackage) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        build(own)
    return [problem.code for problem in caught.value.problems]


def test_every_mistake_is_told(tmp_path: Path) -> None:
    own = _own(tmp_path, files=[{"path": "/a", "source": "gone"}], config=["/b"])
    assert _codes(own) == ["distro.no-source-file", "distro.unused-declaration"]


def test_a_file_that_changed_since_it_was_planned_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("planned")
    own = _own(tmp_path, files=[{"path": "/a", "source": "a"}])
    assert build(own).files[0].data == b"planned"
    (tmp_path / "a").write_text("changed")
    assert _codes(own) == ["distro.file-changed"]


def test_what_rpm_cannot_hold_is_a_problem_at_its_declaration(tmp_path: Path) -> None:
    own = replace(_own(tmp_path, links={"/a": "b"}), where=Position("own.yaml", 1, 1))
    made = build(own)
    made = replace(made, files=(*made.files, *made.files))
    with pytest.raises(DockyardError) as caught:
        write(own, made, tmp_path / "a.rpm")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("distro.not-packable", own.where)
