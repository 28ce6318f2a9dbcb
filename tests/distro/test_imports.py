"""Names that carry a version: which packages fit them, and where the version goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_archive import index
from dockyard.distro.choosing import choose
from dockyard.distro.imports import Import
from dockyard.distro.load import load_distro
from dockyard.distro.lock import pinned_imports, read_lock
from dockyard.errors import DockyardError
from dockyard.model.components import Component
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, Request
from dockyard.packages import lockfile
from dockyard.packages.deb.suite import Suite
from model_data import from_data

SUITE = Suite("trixie").id
KERNEL = {"import": "linux-image-{abi}", "rename": "kernel"}


def _import(**more: object) -> Import:
    declaration = from_data(Component, {**KERNEL, **more})
    return Import("kernel", declaration.import_[0], declaration)


def _pin(name: str, version: str = "1:6.12.7-2") -> Pin:
    digest = "sha256:" + "0" * 64
    return Pin(name, version, "amd64", SUITE, f"p/{name}.deb", PackageKind.DEB, 1, digest=digest)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("linux-image-6.12.7+deb13-amd64", True),
        ("linux-image-cloud-amd64", False),
        ("linux-image-rt-6-amd64", False),
        ("xlinux-image-6", False),
    ],
)
def test_a_placeholder_stands_for_what_begins_with_a_digit(name: str, fits: bool) -> None:
    assert _import().fits(name) is fits


def test_placeholders_are_replaced_in_all_of_a_declaration_but_contents() -> None:
    item = _import(
        move={"/boot/vmlinuz-{abi}": "/usr/lib/modules/{abi}/vmlinuz"},
        provides=["kernel-core = {version}"],
        links={"/boot/{abi}": "{abi}"},
        files=[{"path": "/etc/{abi}", "content": "{abi}", "mode": "0600"}],
        attributes=[{"path": "/x/{abi}/*", "mode": "0640"}],
    )
    filled = item.filled(_pin("linux-image-6.12.7-56-amd64"))
    abi = "6.12.7-56-amd64"
    assert filled.move == {f"/boot/vmlinuz-{abi}": f"/usr/lib/modules/{abi}/vmlinuz"}
    assert filled.provides == ("kernel-core = 6.12.7",)
    assert filled.links == {f"/boot/{abi}": abi}
    (file,) = filled.files
    assert (file.path, file.content, file.mode) == (f"/etc/{abi}", "{abi}", 0o600)
    assert filled.attributes[0].path == f"/x/{abi}/*"


def test_every_component_knows_its_version() -> None:
    plain = Import("tool", "tool", Component(provides=("t = {version}",), links={"/a": "${b}"}))
    filled = plain.filled(_pin("tool", "2.1+x-3"))
    assert filled.provides == ("t = 2.1+x",)
    assert plain.unknown_placeholders() == ["b"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"import": "a-{x}"}, "needs `rename`"),
        ({"import": ["a-{x}", "b"], "rename": "a"}, "several packages"),
        ({"import": "a-{x}-{y}", "rename": "a"}, "one placeholder"),
        ({"import": "a-{version}", "rename": "a"}, "is the package's version"),
        ({"import": "a", "follows": "b"}, "`follows` needs"),
    ],
)
def test_what_cannot_be_is_refused(declared: dict[str, object], words: str) -> None:
    with pytest.raises(DockyardError, match=words):
        from_data(Component, declared)


ARCHIVE = (
    "linux-image-cloud-amd64 6.2; Depends: linux-image-6.2-cloud-amd64 (= 6.2), firmware",
    "linux-image-6.2-cloud-amd64 6.2",
    "linux-image-6.2-amd64 6.2",
    "linux-image-6.1-cloud-amd64 6.1",
    "linux-image-6.10-rt-amd64 6.0",
    "firmware 1",
)


def test_the_dependency_of_a_meta_package_is_chosen() -> None:
    item = _import(follows="linux-image-cloud-amd64")
    assert choose(index(*ARCHIVE), item).name == "linux-image-6.2-cloud-amd64"


def test_the_newest_fitting_name_is_chosen() -> None:
    item = _import(**{"import": "linux-image-{abi}-cloud-amd64"})
    assert choose(index(*ARCHIVE), item).name == "linux-image-6.2-cloud-amd64"
    older = index(*(text for text in ARCHIVE if not text.startswith("linux-image-6.2-cloud")))
    assert choose(older, item).name == "linux-image-6.1-cloud-amd64"


@pytest.mark.parametrize(
    ("declared", "code", "words"),
    [
        ({}, "ambiguous-import", "linux-image-6.2-amd64, linux-image-6.2-cloud-amd64"),
        ({"import": "kernel-{v}"}, "unknown-package", "begins with a digit"),
        ({"follows": "linux-none"}, "unknown-package", "linux-none"),
        ({"follows": "firmware"}, "follows-nothing", "it needs nothing"),
        ({"follows": "both"}, "ambiguous-import", "both 1 needs linux-image-6.1-x and linux-image"),
        ({"follows": "broken"}, "unknown-package", "linux-image-7-x, which broken 1 needs"),
    ],
)
def test_nothing_or_several_is_told(declared: dict[str, object], code: str, words: str) -> None:
    more = (
        "both 1; Depends: linux-image-6.1-x, linux-image-6.2-x",
        "broken 1; Depends: linux-image-7-x",
    )
    with pytest.raises(DockyardError) as caught:
        choose(index(*ARCHIVE, *more), _import(**declared))
    (problem,) = caught.value.problems
    assert problem.code == f"distro.{code}"
    assert words in problem.what + problem.why
    assert problem.fix


DISTRO = """\
name: small
version: "1"
epoch: 1767225600
upstream: {debian: {suites: [{name: trixie}]}}
components: [all.yaml]
"""


def _distro(directory: Path, components: str, *pins: Pin, install: tuple[str, ...] = ()) -> Path:
    (directory / "distro.yaml").write_text(DISTRO)
    (directory / "all.yaml").write_text(f"components:\n{components}")
    lock = Lock(
        "small", Request(install), (LockedRepository(SUITE, PackageKind.DEB),), tuple(sorted(pins))
    )
    (directory / "distro.lock").write_text(lockfile.dump(lock))
    return directory


PATTERN = '  kernel: {import: "linux-image-{abi}", follows: meta, rename: kernel}\n'
REQUEST = "meta -> linux-image-{abi}"


def test_a_lock_says_what_a_name_stands_for(tmp_path: Path) -> None:
    named = "  plain: {import: linux-image-5}\n"
    pins = [_pin("linux-image-6.12-amd64"), _pin("linux-image-5")]
    loaded = load_distro(_distro(tmp_path, PATTERN + named, *pins, install=(REQUEST,)))
    found = {item.name: item.pin.name for item in pinned_imports(loaded, read_lock(loaded))}
    assert found == {"kernel": "linux-image-6.12-amd64", "linux-image-5": "linux-image-5"}


@pytest.mark.parametrize(
    ("names", "install", "words"),
    [
        (["linux-image-6"], "other -> linux-image-{abi}", f"not in the lock: {REQUEST}"),
        ([], REQUEST, f"not in the lock: {REQUEST}"),
        (["linux-image-6", "linux-image-7"], REQUEST, "may be any of linux-image-6, linux-image-7"),
        (["linux-image-6", "old"], REQUEST, "no longer declared: old"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused(
    tmp_path: Path, names: list[str], install: str, words: str
) -> None:
    loaded = load_distro(_distro(tmp_path, PATTERN, *map(_pin, names), install=(install,)))
    with pytest.raises(DockyardError) as caught:
        read_lock(loaded)
    assert caught.value.problems[0].code == "distro.lock-stale"
    assert words in caught.value.problems[0].why
    assert "distro lock --refresh-missing" in caught.value.problems[0].fix  # keeps all other pins


def test_two_names_that_fit_one_package_are_refused(tmp_path: Path) -> None:
    again = PATTERN.replace("kernel", "second")
    pins = [_pin("linux-image-6")]
    loaded = load_distro(_distro(tmp_path, PATTERN + again, *pins, install=(REQUEST,)))
    with pytest.raises(DockyardError) as caught:
        read_lock(loaded)
    assert "linux-image-6 fits kernel and second" in caught.value.problems[0].why


def test_a_mistyped_placeholder_is_an_error_at_its_component(tmp_path: Path) -> None:
    wrong = PATTERN.replace("rename: kernel", 'rename: kernel, provides: ["a = {abl}"]')
    with pytest.raises(DockyardError) as caught:
        load_distro(_distro(tmp_path, wrong))
    (problem,) = caught.value.problems
    assert problem.code == "distro.unknown-placeholder"
    assert "{abl}" in problem.what
    assert str(problem.where).endswith("all.yaml:2:3")
