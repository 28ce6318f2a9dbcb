"""Conversion: what a package of small entries becomes under a declaration."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from debs import device, directory, documents, file, hard_link, make_deb, symlink

from debian_archive import Member
from dockyard.distro.arguments import Conversion, DistroFacts
from dockyard.distro.convert import build
from dockyard.distro.making import write
from dockyard.distro.relations import Relations
from dockyard.distro.sources import SourceFiles
from dockyard.errors import DockyardError
from dockyard.model.components import Component
from dockyard.packages.blobs import digest_of_file
from dockyard.packages.deb.package import read_deb
from dockyard.packages.rpm.contents import FileFlag, PackagedFile, RpmPackage, Sense, Verify
from model_data import from_data

EPOCH = 1_600_000_000
ENTRIES = [
    *documents("sample"),
    directory("bin"),
    file("bin/tool", b"tool", 0o755),
    hard_link("bin/also", "bin/tool"),
    symlink("lib/libx.so", "../usr/share/x"),
    directory("etc"),
    file("etc/tool.conf", b"conf"),
    file("usr/share/tool/extra", b"extra", group="shadow"),
]


def _conversion(tmp_path: Path, entries: Sequence[Member] = ENTRIES, **declared: Any) -> Conversion:
    deb = make_deb(tmp_path / "sample.deb", entries=entries, conffiles=["/etc/tool.conf"])
    declaration = from_data(Component, declared)
    return Conversion(
        name="sample",
        digest=digest_of_file(deb),
        upstream="sample",
        declaration=declaration,
        sources=SourceFiles(tmp_path).of(declaration),
        facts=DistroFacts("Distro 1", "Vendor", EPOCH),
        directory=tmp_path,
    )


def _package(tmp_path: Path, entries: Sequence[Member] = ENTRIES, **declared: Any) -> RpmPackage:
    return _built(_conversion(tmp_path, entries, **declared))


def _built(conversion: Conversion) -> RpmPackage:
    deb = read_deb(conversion.directory / "sample.deb")
    return build(conversion, deb, Relations()).package


def _files(package: RpmPackage) -> dict[str, PackagedFile]:
    return {item.path: item for item in package.files}


def _codes(tmp_path: Path, entries: Sequence[Member] = ENTRIES, **declared: Any) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        _package(tmp_path, entries, **declared)
    return [problem.code for problem in caught.value.problems]


def test_identity_comes_from_the_control_file(tmp_path: Path) -> None:
    package = _package(tmp_path)
    assert (package.name, package.evr, package.architecture) == ("sample", "1.2-3", "x86_64")
    assert _package(tmp_path, revision=2).evr == "1.2-3^2"
    assert package.license == "(BSD-3-Clause OR MIT) AND GPL-2.0-or-later"
    assert package.source == "sample-1.2-3.src.rpm"
    assert package.description == "The long text.\n\nIts end."
    assert [change.text for change in package.changelog] == ["* A change."]


def test_usr_is_merged_and_times_are_clamped(tmp_path: Path) -> None:
    files = _files(_package(tmp_path))
    assert "/bin" not in files and files["/usr/bin/tool"].data == b"tool"
    assert files["/usr/lib/libx.so"].target == "../share/x"
    assert {item.mtime for item in files.values()} == {EPOCH}


def test_hard_links_configuration_and_documents_are_marked(tmp_path: Path) -> None:
    files = _files(_package(tmp_path))
    assert files["/usr/bin/tool"].link == files["/usr/bin/also"].link != 0
    assert files["/etc/tool.conf"].flags == FileFlag.CONFIG | FileFlag.NOREPLACE
    place = "/usr/share/doc/sample"
    assert files[f"{place}/copyright"].flags == FileFlag.LICENSE
    assert files[f"{place}/changelog.Debian.gz"].flags == FileFlag.DOC
    assert files[place].flags == FileFlag.NONE


def test_owners_are_required_before_the_files_come(tmp_path: Path) -> None:
    package = _package(tmp_path)
    assert _files(package)["/usr/share/tool/extra"].group == "shadow"
    (relation,) = package.requires
    assert (relation.name, relation.sense) == ("group(shadow)", Sense.SCRIPT_PRE)


def test_attributes_links_files_and_ghosts(tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(b"own")
    files = _files(
        _package(
            tmp_path,
            attributes=[
                {"path": "/usr/bin/*", "mode": "2755", "group": "crontab"},
                {"path": "/usr/share/tool/extra", "capabilities": "cap_net_raw=ep"},
            ],
            links={"/usr/bin/view": "tool"},
            files=[
                {"path": "/etc/a", "source": "own", "config": "noreplace", "mode": "600"},
                {"path": "/etc/b", "from": "usr/share/tool/extra"},
                {"path": "/etc/tool.conf", "content": "new", "replace": True, "config": True},
            ],
            directories=[{"path": "/var/lib/tool", "mode": "0700"}],
            ghost=["/var/log/tool", "/usr/share/tool/extra"],
            config=["/usr/share/doc/sample/copyright"],
            verifyNot={"/etc/a": ["size", "digest"]},
        )
    )
    assert files["/usr/bin/also"].mode == stat.S_IFREG | 0o2755
    assert files["/usr/bin/also"].group == "crontab"
    assert files["/usr/bin/view"].target == "tool"
    assert (files["/etc/a"].data, stat.S_IMODE(files["/etc/a"].mode)) == (b"own", 0o600)
    assert files["/etc/a"].verify & (Verify.SIZE | Verify.DIGEST | Verify.MODE) == Verify.MODE
    assert files["/etc/b"].data == b"extra"
    assert (files["/etc/tool.conf"].data, files["/etc/tool.conf"].flags) == (
        b"new",
        FileFlag.CONFIG,
    )
    assert stat.S_IMODE(files["/var/lib/tool"].mode) == 0o700
    for path in ("/var/log/tool", "/usr/share/tool/extra"):
        assert files[path].flags & FileFlag.GHOST and not files[path].data
    assert files["/usr/share/tool/extra"].capabilities == "cap_net_raw=ep"


def test_moves_and_drops(tmp_path: Path) -> None:
    files = _files(
        _package(tmp_path, move={"/usr/share/tool": "/usr/lib/tool"}, drop=["/etc", "/usr/bin/a*"])
    )
    assert files["/usr/lib/tool/extra"].data == b"extra"
    assert not any(path.startswith(("/etc", "/usr/share/tool")) for path in files)
    assert "/usr/bin/also" not in files and "/usr/bin/tool" in files


def test_what_the_distribution_drops_and_keeps(tmp_path: Path) -> None:
    facts = replace(
        _conversion(tmp_path).facts,
        drop=("/usr/share/doc", "/etc"),
        keep=("/usr/share/doc/*/copyright",),
    )
    package = _built(replace(_conversion(tmp_path), facts=facts))
    files = _files(package)
    assert "/usr/share/doc/sample/copyright" in files and "/usr/share/doc/sample" in files
    assert "/usr/share/doc/sample/changelog.Debian.gz" not in files and "/etc" not in files
    # What is dropped was read before.
    assert package.changelog and package.license.endswith("GPL-2.0-or-later")


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ({"drop": ["/gone"]}, "distro.unused-declaration"),
        ({"attributes": [{"path": "/gone", "mode": "0644"}]}, "distro.unused-declaration"),
        ({"config": ["/gone"]}, "distro.unused-declaration"),
        ({"move": {"/gone": "/there"}}, "distro.unused-declaration"),
        ({"verifyNot": {"/gone": ["size"]}}, "distro.unused-declaration"),
        ({"files": [{"path": "/a", "from": "/gone"}]}, "distro.unused-declaration"),
        ({"files": [{"path": "/a", "source": "gone"}]}, "distro.no-source-file"),
        ({"files": [{"path": "/etc/tool.conf", "content": ""}]}, "distro.path-taken"),
        ({"links": {"/etc/tool.conf": "x"}}, "distro.path-taken"),
        ({"attributes": [{"path": "/usr/bin/tool", "mode": "4755"}]}, "distro.hard-links-differ"),
    ],
)
def test_declarations_that_fit_nothing_are_refused(
    tmp_path: Path, declared: dict[str, Any], code: str
) -> None:
    assert _codes(tmp_path, **declared) == [code]


def test_every_problem_of_a_package_is_told(tmp_path: Path) -> None:
    entries = [*ENTRIES, device("dev/null"), hard_link("usr/bin/x", "usr/bin/gone")]
    assert _codes(tmp_path, entries, drop=["/a", "/b"]) == [
        "distro.device-node",
        "distro.upstream-malformed",
        "distro.unused-declaration",
        "distro.unused-declaration",
    ]


def test_an_owner_without_a_name_is_told(tmp_path: Path) -> None:
    entries = [Member("./usr/x", uid=777, uname="")]
    assert _codes(tmp_path, entries) == ["distro.unknown-owner"]


def test_the_same_conversion_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.rpm", tmp_path / "two.rpm"
    conversion = _conversion(tmp_path, attributes=[{"path": "/usr/bin/*", "owner": "x"}])
    for out in (one, two):
        write(conversion, _built(conversion), out)
    assert one.read_bytes() == two.read_bytes()
