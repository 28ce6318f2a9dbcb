"""A distribution whose packages are installed on top of another one's."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_distro import Small

from dockyard.distro.check import check_repository
from dockyard.engine.events import ignore
from dockyard.engine.plan import make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.packages.published import METADATA, SIGNATURE, key_name
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage, parse_relation
from dockyard.packages.rpm.writer import write_package


def package(directory: Path, name: str, path: str = "", data: bytes = b"x", **more: object) -> None:
    """Write a package. path: of its one file."""
    files = [PackagedFile(path, 0o100644, data)] if path else []
    provides = [parse_relation(f"{name} = 1.2-3")]
    made = RpmPackage(name, "1.2", "3", name, "MIT", files=files, provides=provides, **more)  # type: ignore[arg-type]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / made.file_name).open("wb") as out:
        write_package(made, out)


def publish(store: Store, name: str, content: str) -> Path:
    """Pretend that a distribution is published; gives where its packages go."""
    result = store.root / "results" / f"repository-{content:0>40}"
    for file in (METADATA, SIGNATURE, key_name(name)):
        (result / file).parent.mkdir(parents=True, exist_ok=True)
        (result / file).touch()
    link = store.root / "repositories" / name
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(result)
    return result / "Packages"


def problems(small: Small, *beside: str) -> list[str]:
    """The codes of what is wrong when it is made and checked."""
    try:
        planned, store = small.plan(beside=beside), small.store()
        run_plan(make_plan([planned.steps.check], store, {}), store, ignore)
    except DockyardError as error:
        return [problem.code for problem in error.problems]
    return []


def test_what_another_distribution_has_is_not_missed(namespace: None, tmp_path: Path) -> None:
    small = Small.make(tmp_path)
    small.components("components: {tool: {requiresPre: [base], requires: [glib]}, library: }\n")
    assert problems(small) == ["distro.unmet"]
    assert problems(small, "big") == ["distro.not-published"]
    assert problems(small, "../big") == ["distro.not-published"]
    assert problems(small, "small") == ["distro.with-itself"]
    package(publish(small.store(), "big", "1"), "glib")
    assert problems(small, "big") == []
    assert problems(small) == ["distro.unmet"]
    # Published anew, it is checked again.
    package(publish(small.store(), "big", "2"), "other")
    assert problems(small, "big") == ["distro.unmet"]


def test_files_must_not_conflict_with_those_of_the_other(tmp_path: Path) -> None:
    own, big = tmp_path / "own", tmp_path / "big"
    package(own, "tool", "/usr/bin/tool", b"mine")
    package(big, "base", "/usr/bin/base")
    assert check_repository(own, beside=[big]) == ()
    package(big, "toolbox", "/usr/bin/tool", b"theirs")
    (problem,) = check_repository(own, beside=[big])
    assert problem.code == "distro.file-conflict" and "toolbox and tool" in problem.what
    # Among themselves they are none of this distribution's business.
    package(big, "tools", "/usr/bin/tool", b"others")
    found = check_repository(own, beside=[big])
    assert {each.what.split(" have")[0] for each in found} == {"toolbox and tool", "tools and tool"}
    # One of the same name is replaced.
    package(own, "toolbox", "/usr/bin/tool", b"mine")
    package(own, "tools", "/usr/bin/tool", b"mine")
    assert check_repository(own, beside=[big]) == ()


@pytest.mark.parametrize("with_big", [False, True])
def test_what_cannot_be_installed_with_the_other_is_told(with_big: bool, tmp_path: Path) -> None:
    own, big = tmp_path / "own", tmp_path / "big"
    package(own, "tool", requires=[parse_relation("glib")], conflicts=[parse_relation("base")])
    package(big, "glib", requires=[parse_relation("base")])
    package(big, "base")
    found = check_repository(own, beside=[big] if with_big else [])
    assert [each.code for each in found] == ["distro.uninstallable" if with_big else "distro.unmet"]
