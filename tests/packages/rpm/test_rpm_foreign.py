"""Packages that rpmbuild made: read, signed and stripped by us."""

from __future__ import annotations

import stat
from pathlib import Path

import pysequoia
import pytest

from dockyard.host.sandbox import Tools
from dockyard.packages.rpm.contents import FileFlag
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.signature import check_digests, content_digest, sign, signers

pytestmark = pytest.mark.build

SPEC = """\
Name: foreign
Version: 1.0
Release: 2
Epoch: 3
Summary: Made by rpmbuild
License: MIT
BuildArch: noarch
Requires: (a or b >= 2)
Provides: thing = 4
%description
Text.
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/bin
echo one > %{buildroot}/etc/one.conf
echo same > %{buildroot}/usr/bin/a
ln %{buildroot}/usr/bin/a %{buildroot}/usr/bin/b
ln -s a %{buildroot}/usr/bin/c
%post
true
%files
%config(noreplace) /etc/one.conf
%attr(4755, root, root) /usr/bin/a
%attr(4755, root, root) /usr/bin/b
/usr/bin/c
%ghost /var/ghost
"""


@pytest.fixture(params=["w9.gzdio", "w6.xzdio", "w3.zstdio"])
def foreign(tools: Tools, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    (tmp_path / "foreign.spec").write_text(SPEC)
    tools.run(
        [
            "rpmbuild",
            "-bb",
            f"--define=_topdir {tmp_path}/top",
            f"--define=_binary_payload {request.param}",
            "--define=__os_install_post %{nil}",
            str(tmp_path / "foreign.spec"),
        ],
        write=[tmp_path],
        env={"HOME": str(tmp_path)},
    )
    (path,) = (tmp_path / "top/RPMS").rglob("*.rpm")
    return path


def test_foreign_packages_are_read(foreign: Path) -> None:
    package = read_package(foreign)
    assert package.nevra == "foreign-3:1.0-2.noarch"
    files = {item.path: item for item in package.contents()}
    assert files["/etc/one.conf"].data == b"one\n"
    assert files["/etc/one.conf"].flags == FileFlag.CONFIG | FileFlag.NOREPLACE
    assert files["/usr/bin/a"].data == files["/usr/bin/b"].data == b"same\n"
    assert files["/usr/bin/a"].link == files["/usr/bin/b"].link != 0
    assert stat.S_IMODE(files["/usr/bin/a"].mode) == 0o4755
    assert files["/usr/bin/c"].target == "a"
    assert files["/var/ghost"].flags & FileFlag.GHOST
    assert "(a or b >= 2)" in {str(item) for item in package.relations("requires")}
    check_digests(foreign)


def test_foreign_packages_are_signed_anew(foreign: Path, tools: Tools, tmp_path: Path) -> None:
    key = pysequoia.Tsk.generate("Signer")
    signed = tmp_path / "signed.rpm"
    with signed.open("wb") as out:
        sign(foreign, out, key)
    certificate = key.extract_certificate()
    assert signers(signed, [certificate])
    assert content_digest(signed) == content_digest(foreign)
    (tmp_path / "key.asc").write_text(str(certificate))
    done = tools.run(
        [
            "sh",
            "-euc",
            f"mkdir /tmp/db; rpmkeys --dbpath /tmp/db --import {tmp_path}/key.asc; "
            f"rpmkeys --dbpath /tmp/db --define '_pkgverify_level all' -K {signed}",
        ],
        read=[tmp_path / "key.asc", signed],
    )
    assert "digests signatures OK" in done.text
