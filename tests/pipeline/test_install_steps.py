"""The steps that install packages: of trees that were unpacked before, or by rpm where it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dockyard import archive
from dockyard.engine.work import Work
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.model.family import HARBOR
from dockyard.model.packages import Lock, LockedRepository, Pin, RpmRepository
from dockyard.packages.blobs import Blobs, digest_of_file
from dockyard.packages.rpm.contents import PackagedFile, PackageScriptlet, RpmPackage
from dockyard.packages.rpm.reader import content_digest
from dockyard.packages.rpm.writer import write_package
from dockyard.pipeline.arguments.names import FETCH, TOOLS
from dockyard.pipeline.arguments.packages import (
    FetchPackages,
    MakeDatabase,
    MakeIndex,
    SelectIndex,
    Unpack,
)
from dockyard.pipeline.arguments.settings import InstallPackages, RequiredNames
from dockyard.pipeline.fetched import Fetched
from dockyard.pipeline.stack import merged_archive, package_trees
from dockyard.pipeline.steps.fetch import fetch_packages
from dockyard.pipeline.steps.install import install_packages
from dockyard.pipeline.steps.packages import (
    make_database,
    make_index,
    select_index,
)
from dockyard.pipeline.steps.unpack import unpack

pytestmark = pytest.mark.build

EPOCH = 1_700_000_000
RULE = LockedRepository("here", check_packages=False)


def installed(
    directory: Path,
    tools: Tools,
    *scriptlets: PackageScriptlet,
    meanwhile: Callable[[Path], object] = lambda package: None,
) -> Work:
    """The work of the last step, when all steps ran for a package with a file and scriptlets.
    meanwhile: called with the package's file before the last step.
    """
    directory.mkdir()
    files = [PackagedFile("/usr/share/file", 0o100644, b"text\n", mtime=EPOCH - 5)]
    package = RpmPackage(
        "some", "1", "1", "Some", "MIT", build_time=EPOCH, files=files, scriptlets=scriptlets
    )
    path = directory / package.file_name
    with path.open("wb") as out:
        write_package(package, out)
    pin = Pin("some", "1-1", "noarch", "here", path.name, content=content_digest(path))
    lock = Lock("image", repositories=(RULE,), packages=(pin,))
    here = RpmRepository("here", (f"file://{directory}/",), check_packages=False)
    tools_place = directory / "tools"
    tools_place.mkdir()
    for name in ("main", "testing"):
        (tools_place / name).symlink_to(tools.root)
    results = {TOOLS: tools_place}

    def work(name: str) -> Work:
        out = results[name] = directory / name
        out.mkdir()
        return Work(out, results, directory / "store")

    names = ("unpack",)
    fetch_packages(work("fetch"), FetchPackages({}, lock, "image.lock", (here,), ()))
    assert pin.content
    wanted = Unpack(pin.content, False, (), pin, RULE, here, "image.lock", ())
    unpack(work("unpack"), wanted)
    make_database(work("database"), MakeDatabase(names, True, EPOCH))
    select_index(work("selection"), SelectIndex("modules", names))
    make_index(work("index"), MakeIndex("selection", names, EPOCH))
    expected = RequiredNames(lock, (here,), (), (), filesystems=None)
    last = work("packages")
    meanwhile(path)
    install_packages(
        last,
        InstallPackages(
            {pin.nevra: "unpack"},
            "database",
            ("index",),
            (),
            True,
            EPOCH,
            HARBOR.packaging,
            expected,
        ),
    )
    return last


def test_a_package_that_rpm_must_install_comes_out_as_others_do(
    tools: Tools, tmp_path: Path
) -> None:
    plain = installed(tmp_path / "plain", tools)
    own = installed(
        tmp_path / "own", tools, PackageScriptlet("post", ("<lua>",), 'posix.mkdir("/made")')
    )
    assert [place.name for place in package_trees(plain.out)] == ["tree", "upper"]
    assert [place.name for place in package_trees(own.out)] == ["tree"]
    one, other = (merged_archive(each, ["packages"], EPOCH) for each in (plain, own))
    paths = {entry.path for entry in other} - {entry.path for entry in one}
    assert paths == {b"made"}
    assert one.find(b"usr/share/file") == other.find(b"usr/share/file")
    for each, whole in ((plain, one), (own, other)):
        files = [entry for entry in whole if entry.kind is archive.Kind.FILE]
        assert len(each.known) == len(files)


def another(path: Path) -> None:
    """Put another package in the place of one, by the same name and version."""
    package = RpmPackage("some", "1", "1", "Another", "MIT", build_time=EPOCH)
    with path.open("wb") as out:
        write_package(package, out)


def test_a_package_that_is_another_now_is_not_unpacked(tools: Tools, tmp_path: Path) -> None:
    work = installed(tmp_path / "image", tools)
    path = next((tmp_path / "image").glob("*.rpm"))
    before = digest_of_file(path)
    another(path)
    assert digest_of_file(path) != before
    pin = Pin("some", "1-1", "noarch", "here", path.name, content="sha256:" + "0" * 64)
    here = RpmRepository("here", (f"file://{path.parent}/",), check_packages=False)
    (tmp_path / "again").mkdir()
    again = Work(tmp_path / "again", work.results, work.store)
    wanted = Unpack(pin.content or "", False, (), pin, RULE, here, "image.lock", ())
    with pytest.raises(DockyardError, match="is not the package that was pinned"):
        unpack(again, wanted)


@pytest.mark.parametrize("change", [another, Path.unlink])
def test_rpm_installs_what_was_pinned_and_nothing_else(
    tools: Tools, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    by_rpm = PackageScriptlet("post", ("<lua>",), 'posix.mkdir("/made")')
    with pytest.raises(DockyardError) as caught:
        installed(tmp_path / "image", tools, by_rpm, meanwhile=change)
    (problem,) = caught.value.problems
    assert problem.code == ("lock.digest-mismatch" if change is another else "fetch.gone")


def test_a_package_whose_file_is_gone_is_looked_for_once_more(tools: Tools, tmp_path: Path) -> None:
    work = installed(tmp_path / "image", tools)
    path = next((tmp_path / "image").glob("*.rpm"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = path.rename(elsewhere / path.name)
    pin = Pin("some", "1-1", "noarch", "here", path.name, content=content_digest(moved))
    here = RpmRepository("here", (f"file://{elsewhere}/",), check_packages=False)
    (tmp_path / "again").mkdir()
    again = Work(tmp_path / "again", work.results, work.store)
    wanted = Unpack(pin.content or "", False, (), pin, RULE, here, "image.lock", ())
    unpack(again, wanted)
    assert (tmp_path / "again/tree/usr/share/file").read_bytes() == b"text\n"


def test_a_damaged_download_is_not_unpacked_and_is_removed(tools: Tools, tmp_path: Path) -> None:
    work = installed(tmp_path / "image", tools)
    path = next((tmp_path / "image").glob("*.rpm"))
    blobs = Blobs.of_store(work.store)
    digest = blobs.add_bytes(path.read_bytes())
    pin = Pin("some", "1-1", "noarch", "here", "gone.rpm", digest=digest, size=1)
    # As a lock by digest would have it: the fetched file is the download.
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    Fetched({pin.nevra: blobs.path(digest)}, {}).save(fetched, work.store)
    results = {**work.results, FETCH: fetched}
    here = RpmRepository("here", (f"file://{tmp_path}/none/",), check_packages=False)
    wanted = Unpack(digest, False, (), pin, RULE, here, "image.lock", ())
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    for name, content, code in (("whole", path.read_bytes(), ""), ("bad", data, "fetch.damaged")):
        blobs.path(digest).write_bytes(content)
        (tmp_path / name).mkdir()
        again = Work(tmp_path / name, results, work.store)
        if not code:
            unpack(again, wanted)
            continue
        with pytest.raises(DockyardError) as caught:
            unpack(again, wanted)
        assert caught.value.problems[0].code == code
        assert not blobs.has(digest)
