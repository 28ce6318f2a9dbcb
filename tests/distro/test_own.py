"""Our own packages: made of declared files, announcing the users that they bring."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from dockyard.distro.making import DistroFacts, make
from dockyard.distro.own import OwnPackage, build
from dockyard.distro.relations import declared
from dockyard.model.components import Package
from dockyard.packages.rpm.contents import RpmPackage
from dockyard.packages.rpm.reader import read_package
from model_data import from_data


def _own(directory: Path, **more: Any) -> OwnPackage:
    fields = {"name": "own", "version": "1", "summary": "Own", "license": "MIT", **more}
    facts = DistroFacts("Distro 1", "Vendor", 1_600_000_000)
    package = from_data(Package, fields)
    return OwnPackage(
        package=package, relations=declared(package), facts=facts, directory=directory
    )


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
    assert make(own, build, tmp_path / "a.rpm") == make(own, build, tmp_path / "b.rpm") == ()
    assert (tmp_path / "a.rpm").read_bytes() == (tmp_path / "b.rpm").read_bytes()
    assert read_package(tmp_path / "a.rpm").nevra == "own-1-1.noarch"


def test_mistakes_are_returned(tmp_path: Path) -> None:
    own = _own(tmp_path, files=[{"path": "/a", "source": "gone"}], config=["/b"])
    codes = [problem.code for problem in make(own, build, tmp_path / "a.rpm")]
    assert codes == ["distro.no-source-file", "distro.unused-declaration"]
