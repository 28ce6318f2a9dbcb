"""`dockyard lock` on image files: where packages come from, and what is written and told."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from textwrap import dedent

import pysequoia
import pytest
from click.testing import CliRunner, Result
from rpm_repositories import REVISION, add_rpm, index, key, write_key

from dockyard.cli.lock import command
from dockyard.config.bundled import bundled_distros
from dockyard.errors import DockyardError
from dockyard.model.distro import Distro
from dockyard.model.packages import Lock, LockedRepository, PackageKind, Pin, PinBy
from dockyard.packages import locking as locks
from dockyard.packages.blobs import Blobs
from dockyard.packages.origins import Origins
from dockyard.packages.published import SIGNATURE, key_name
from dockyard.packages.rpm.sources import image_repositories
from model_data import from_data

TOOL = "sha256:" + hashlib.sha256(b"a tool").hexdigest()


@pytest.fixture
def tools_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one tool, in place of the one that comes with Dockyard."""
    tool = Pin("tool", "1", "amd64", "stable", "pool/t.deb", PackageKind.DEB, 6, TOOL)
    path = tmp_path / "tools.lock"
    repository = LockedRepository("stable", PackageKind.DEB)
    path.write_text(locks.dump(Lock("tools", None, (repository,), (tool,))))
    monkeypatch.setenv("DOCKYARD_TOOLS_LOCK", str(path))
    return path


@pytest.fixture
def image(tmp_path: Path, tools_lock: Path) -> Path:
    """An image file with a distro whose repository is beside it."""
    root = tmp_path / "distro/packages"
    for name, requires in (("one", []), ("two", ["one"]), ("three", [])):
        add_rpm(root, name, requires=requires, signed="owner")
    index(root, signed="owner")
    write_key(tmp_path / "distro/KEY")
    (tmp_path / "distro/distro.yaml").write_text(
        dedent("""\
            name: small
            version: "9"
            repositories:
              - id: base
                baseurl: packages
                gpgkey: KEY
                repoGpgcheck: true
            """)
    )
    file = tmp_path / "web.yaml"
    file.write_text("distro: distro\nos:\n  packages:\n    install:\n    - two\n")
    return file


def lock(image: Path, *arguments: str) -> Result:
    store = str(image.parent / "store")
    return CliRunner().invoke(command, [str(image), "--store", store, *arguments])


def refused(image: Path, *arguments: str) -> list[str]:
    result = lock(image, *arguments)
    assert isinstance(result.exception, DockyardError), result.output
    return [problem.code for problem in result.exception.problems]


def test_locking_writes_a_lock_beside_the_image_and_says_what_changed(image: Path) -> None:
    first = lock(image)
    path = image.with_suffix(".lock")
    assert "2 packages" in first.stdout and "made" in first.stdout
    held = locks.load(path)
    assert [pin.nevra for pin in held.packages] == ["one-1-1.noarch", "two-1-1.noarch"]
    assert [pin.name for pin in held.tools] == ["tool"]
    before = path.stat()
    assert "unchanged" in lock(image).stdout
    assert path.stat() == before
    root = image.parent / "distro/packages"
    add_rpm(root, "one", "2", signed="owner")
    index(root, signed="owner")
    changed = lock(image).stdout
    assert "one 1-1 -> 2-1" in changed and "1 changed" in changed


def test_what_is_to_be_removed_is_never_chosen(image: Path) -> None:
    asked = image.read_text()
    image.write_text(f"{asked}    - three\n    remove: [four, three]\n")
    lock(image)
    # A file installs what it names itself; nobody asks for the fourth, which is not there.
    held = locks.load(image.with_suffix(".lock"))
    assert [pin.name for pin in held.packages] == ["one", "three", "two"]
    assert held.request and held.request.exclude == ("four",)
    base = image.with_name("base.yaml")
    base.write_text(asked.replace("- two", "- two\n    - three"))
    image.write_text("baseConfigs: [{path: base.yaml}]\nos: {packages: {remove: [three]}}\n")
    lock(image)
    held = locks.load(image.with_suffix(".lock"))
    assert [pin.name for pin in held.packages] == ["one", "two"]
    image.write_text(f"{asked}    remove: [one]\n")
    failed = lock(image).exception
    assert isinstance(failed, DockyardError) and "one" in str(failed.problems[0])


def test_what_came_later_is_not_chosen(image: Path) -> None:
    root = image.parent / "distro/packages"
    day = 86400
    for name, version, built in (("old", "1", 10 * day), ("old", "2", 30 * day)):
        add_rpm(root, name, version, signed="owner", built=built)
    index(root, signed="owner")
    for when, version in (("1970-01-20", "1-1"), ("1970-02-20", "2-1")):
        image.write_text(
            f"distro: distro\nos:\n  packages:\n    install: [old]\n    snapshotTime: {when}\n"
        )
        lock(image)
        (pin,) = locks.load(image.with_suffix(".lock")).packages
        assert pin.evr == version
    image.write_text(image.read_text().replace("1970-02-20", "1970-01-05"))
    failed = lock(image).exception
    assert isinstance(failed, DockyardError)
    assert "published on 1970-01-11" in failed.problems[0].why


def test_a_mistake_is_told_with_its_line_and_the_lock_stays(image: Path) -> None:
    lock(image)
    held = image.with_suffix(".lock").read_text()
    image.write_text(image.read_text().replace("- two", "- two\n    - tow"))
    result = lock(image)
    assert isinstance(result.exception, DockyardError)
    [problem] = result.exception.problems
    assert problem.what == "there is no package tow"
    assert str(problem.where) == f"{image}:6:7"
    assert image.with_suffix(".lock").read_text() == held


def test_refresh_missing_moves_only_what_is_gone_and_wants_a_lock_that_fits(image: Path) -> None:
    assert refused(image, "--refresh-missing") == ["lock.missing"]
    lock(image)
    asked = image.read_text()
    image.write_text(asked.replace("    - two\n", ""))
    for damaged in (False, True):
        if damaged:
            image.with_suffix(".lock").write_text("{")
        failed = lock(image, "--refresh-missing").exception
        assert isinstance(failed, DockyardError)
        assert f"dockyard lock {image}" in str(failed.problems[0].fix)
    image.write_text(asked)
    lock(image)
    Blobs(image.parent / "store/blobs").add_bytes(b"a tool")
    root = image.parent / "distro/packages"
    (root / "one-1-1.noarch.rpm").unlink()
    add_rpm(root, "one", "2", signed="owner")
    add_rpm(root, "two", "2", requires=["one"], signed="owner")
    index(root, signed="owner")
    assert "one 1-1 -> 2-1" in lock(image, "--refresh-missing").stdout
    names = [pin.nevra for pin in locks.load(image.with_suffix(".lock")).packages]
    assert names == ["one-2-1.noarch", "two-1-1.noarch"]
    image.write_text(image.read_text().replace("- two", "- three"))
    assert refused(image, "--refresh-missing") == ["lock.stale"]


def test_a_damaged_lock_is_made_anew(image: Path) -> None:
    image.with_suffix(".lock").write_text("<<<<<<< HEAD\n")
    assert "made" in lock(image).stdout


def revise(image: Path, revision: int) -> None:
    """Give the repository's metadata another revision, as a new state of it has."""
    file = image.parent / "distro/packages/repodata/repomd.xml"
    text = re.sub("<revision>.*</revision>", f"<revision>{revision}</revision>", file.read_text())
    file.write_text(text)
    signature = pysequoia.sign(
        key("owner").signer(), text.encode(), mode=pysequoia.SignatureMode.DETACHED
    )
    file.with_name("repomd.xml.asc").write_bytes(signature)


def test_metadata_that_went_back_is_refused(image: Path) -> None:
    """A mirror may replay what was once signed, to hide what was fixed since."""
    root = image.parent / "distro/packages"
    old = root.parent / "old"
    shutil.copytree(root, old)
    add_rpm(root, "one", "2", signed="owner")
    index(root, signed="owner")
    revise(image, REVISION + 20)
    lock(image)
    held = image.with_suffix(".lock").read_text()
    shutil.rmtree(root)
    old.rename(root)
    result = lock(image)
    assert isinstance(result.exception, DockyardError)
    [problem] = result.exception.problems
    assert problem.code == "lock.older-metadata" and f"revision {REVISION + 20}" in problem.why
    assert image.with_suffix(".lock").read_text() == held


def test_the_same_choice_is_the_same_text_whatever_the_revision(image: Path) -> None:
    lock(image)
    held = image.with_suffix(".lock").read_text()
    revise(image, REVISION + 7)
    assert "unchanged" in lock(image).stdout
    assert image.with_suffix(".lock").read_text() == held


def test_packages_of_a_directory_and_of_a_repo_file_come_beside_the_distro(image: Path) -> None:
    own = image.parent / "own packages"
    add_rpm(own, "mine", requires=["three"])
    other = image.parent / "other"
    index(add_rpm(other, "theirs", signed="somebody").parent)
    key = write_key(image.parent / "THEIR-KEY", "somebody")
    repo = image.parent / "team.repo"
    repo.write_text(f"[team]\nbaseurl=other\ngpgkey={key.name}\n")
    image.write_text(image.read_text() + "    - mine\n    - theirs\n")
    lock(image, "--rpm-source", str(own), "--rpm-source", str(repo))
    held = locks.load(image.with_suffix(".lock"))
    found = {pin.name: (pin.repository, bool(pin.content)) for pin in held.packages}
    assert found["mine"] == ("own-packages", True)
    assert found["theirs"] == ("team", False)
    assert found["three"] == ("base", False)


def test_sources_that_are_none_are_all_named(image: Path) -> None:
    note = image.parent / "note.txt"
    note.write_text("")
    empty = image.parent / "base"
    empty.mkdir()
    assert refused(image, "--rpm-source", str(note), "--rpm-source", str(empty)) == [
        "repository.no-source",
        "repository.id-twice",
    ]


def test_an_image_without_a_distro_is_told_so(image: Path) -> None:
    image.write_text("os:\n  packages:\n    install: [two]\n")
    assert refused(image) == ["lock.no-distro"]


def built_distro() -> Distro:
    return from_data(
        Distro,
        {
            "name": "own",
            "version": "1",
            "epoch": 1,
            "packages": ["a.yaml"],
        },
    )


def test_a_distribution_of_components_is_taken_from_the_store(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        image_repositories(built_distro(), tmp_path, tmp_path / "store", Origins())
    [problem] = caught.value.problems
    assert problem.code == "distro.not-published"
    assert problem.fix == f"run: dockyard distro build {tmp_path}"
    with pytest.raises(DockyardError) as caught:
        image_repositories(
            built_distro(), bundled_distros()["harbor"], tmp_path / "store", Origins()
        )
    assert caught.value.problems[0].fix == "run: dockyard distro build harbor"
    add_rpm(tmp_path / "store/repositories/own", "one")
    index(tmp_path / "store/repositories/own")
    # What is not signed was never published.
    with pytest.raises(DockyardError):
        image_repositories(built_distro(), tmp_path, tmp_path / "store", Origins())
    for name in (SIGNATURE, key_name("own")):
        (tmp_path / "store/repositories/own" / name).touch()
    [found] = image_repositories(built_distro(), tmp_path, tmp_path / "store", Origins())
    assert (found.id, found.pin, found.check_packages) == ("own", PinBy.CONTENT, True)
    assert found.keys[0].endswith("own/RPM-GPG-KEY-own")


def test_a_tool_that_is_gone_is_looked_for_in_the_archive(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(image)
    empty = image.parent / "archive"
    empty.mkdir()
    monkeypatch.setenv("DOCKYARD_DEBIAN_MIRROR", str(empty))
    assert set(refused(image, "--refresh-missing")) == {"debian.no-suite"}
    assert [pin.name for pin in locks.load(image.with_suffix(".lock")).tools] == ["tool"]
