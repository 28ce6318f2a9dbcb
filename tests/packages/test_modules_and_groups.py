"""Modules, groups and what else the metadata of large distributions has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rpm_repositories import COMPRESSIONS, access, add_rpm, index

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.packages import Lock, Request, RpmRepository
from dockyard.packages import lockfile
from dockyard.packages.locking import check, make_lock
from dockyard.packages.rpm import comps, modules


def repository(root: Path, name: str = "", **options: object) -> RpmRepository:
    return RpmRepository(
        name or root.name,
        (root.as_uri(),),
        check_packages=False,
        **options,  # type: ignore[arg-type]
    )


def locked(tmp_path: Path, request: Request, *sources: RpmRepository) -> Lock:
    return make_lock("image", request, sources, access(tmp_path / "store"))


def chosen(tmp_path: Path, request: Request, *sources: RpmRepository) -> list[str]:
    return [pin.nevra for pin in locked(tmp_path, request, *sources).packages]


def refused(tmp_path: Path, request: Request, *sources: RpmRepository) -> list[Problem]:
    with pytest.raises(DockyardError) as caught:
        locked(tmp_path, request, *sources)
    return list(caught.value.problems)


def stream(module: str, name: str, *nevras: str, requires: str = "") -> str:
    rows = "".join(f"    - {nevra}\n" for nevra in nevras)
    needs = f"  dependencies:\n  - requires: {{platform: [el9]{requires}}}\n"
    return (
        f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: {module}\n  stream: {name}\n"
        f"{needs}  artifacts:\n    rpms:\n{rows}"
    )


def default(module: str, name: str) -> str:
    return (
        "---\ndocument: modulemd-defaults\nversion: 1\n"
        f"data:\n  module: {module}\n  stream: {name}\n"
    )


WEB = (
    stream("web", "1.1", "web-0:1.1-1.noarch")
    + stream("web", "1.10", "web-0:1.10-1.noarch", requires=", run: [a]")
    + stream("web", "2", "web-0:2-1.noarch", requires=", run: [a, b]")
    + stream("run", "a", "run-0:3-1.noarch")
    + stream("run", "b", "run-0:4-1.noarch")
    + default("web", "1.1")
)


@pytest.fixture
def appstream(tmp_path: Path) -> RpmRepository:
    root = tmp_path / "appstream"
    for version in ("1.1", "1.10", "2", "9"):
        add_rpm(root, "web", version)
    for version in ("3", "4", "9"):
        add_rpm(root, "run", version)
    return repository(index(root, modules=WEB))


def asking(*install: str, modules: tuple[str, ...] = ()) -> Request:
    named = {each: Position("image.yaml", 7) for each in modules}
    return Request(install, modules=modules, wanted_by=named)


def test_a_stream_is_enabled_in_place_of_the_default(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    assert chosen(tmp_path, asking("web"), appstream) == ["web-1.1-1.noarch"]
    asked = asking("web", modules=("web:1.10",))
    assert chosen(tmp_path, asked, appstream) == ["web-1.10-1.noarch"]


def test_what_an_enabled_stream_requires_is_enabled_along(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    assert chosen(tmp_path, asking("run"), appstream) == ["run-9-1.noarch"]
    asked = asking("run", modules=("web:1.10",))
    assert chosen(tmp_path, asked, appstream) == ["run-3-1.noarch"]
    [problem] = refused(tmp_path, asking("run", modules=("web:2",)), appstream)
    assert (problem.code, problem.why) == (
        "solve.module-streams",
        "a, b would do, and none of them is its default",
    )
    asked = asking("run", modules=("run:b", "web:2"))
    assert chosen(tmp_path, asked, appstream) == ["run-4-1.noarch"]
    [problem] = refused(tmp_path, asking("run", modules=("run:b", "web:1.10")), appstream)
    assert (problem.code, problem.why) == ("solve.module-streams", "web:1.10 requires run:a")


def test_a_stream_that_nobody_has_is_told_where_it_is_named(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    [problem] = refused(tmp_path, asking("web", modules=("web:3",)), appstream)
    assert (problem.code, str(problem.where)) == ("solve.no-module", "image.yaml:7")
    assert problem.why == "there are web:1.1, web:1.10, web:2"


def test_active_streams_hide_packages_of_all_repositories_but_hotfixes(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    other = tmp_path / "other"
    add_rpm(other, "web", "5")
    index(other)
    assert chosen(tmp_path, asking("web"), appstream, repository(other)) == ["web-1.1-1.noarch"]
    lifted = repository(other, module_hotfixes=True)
    assert chosen(tmp_path, asking("web"), appstream, lifted) == ["web-5-1.noarch"]
    [problem] = refused(tmp_path, asking("web-5-1.noarch"), appstream, repository(other))
    assert "is hidden by the module stream web:1.1" in problem.why


def test_a_repository_hides_nothing_of_preferred_ones_unless_its_stream_is_asked_for(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    first = tmp_path / "first"
    for version in ("2", "5"):
        add_rpm(first, "web", version)
    preferred = repository(index(first), priority=10)
    assert chosen(tmp_path, asking("web"), appstream, preferred) == ["web-5-1.noarch"]
    assert chosen(tmp_path, asking("web-2-1.noarch"), appstream, preferred) == ["web-2-1.noarch"]
    asked = asking("web", modules=("web:1.10",))
    assert chosen(tmp_path, asked, appstream, preferred) == ["web-1.10-1.noarch"]


def test_streams_that_a_system_has_enabled_count_as_far_as_there_are_such(
    tmp_path: Path, appstream: RpmRepository
) -> None:
    def having(*there: str, modules: tuple[str, ...] = ()) -> Request:
        return replace(asking("web", modules=modules), streams=there)

    assert chosen(tmp_path, having("web:1.10", "gone:1"), appstream) == ["web-1.10-1.noarch"]
    asked = having("web:2", "run:b", modules=("web:1.10", "run:a"))
    assert chosen(tmp_path, asked, appstream) == ["web-1.10-1.noarch"]


def test_a_lock_says_which_streams_are_enabled(tmp_path: Path, appstream: RpmRepository) -> None:
    asked = asking("web", modules=("web:1.10",))
    lock = locked(tmp_path, asked, appstream)
    again = lockfile.loads(lockfile.dump(lock), "image.lock")
    assert again.request == asked
    assert check(again, asked, [appstream]) == []
    assert check(again, asking("web"), [appstream]) == [
        "module streams: web:1.10 before, nothing now"
    ]


GROUPS = """\
<comps>
  <group><id>core</id><name>Core</name><packagelist>
    <packagereq type="mandatory">shell</packagereq>
    <packagereq type="mandatory">only-for-s390x</packagereq>
    <packagereq type="default">editor</packagereq>
    <packagereq type="optional">game</packagereq>
    <packagereq type="conditional" requires="editor">editor-words</packagereq>
    <packagereq type="conditional" requires="desktop">desktop-words</packagereq>
  </packagelist></group>
  <group><id>extra</id><packagelist><packagereq>tool</packagereq></packagelist></group>
  <group><id>empty</id><packagelist/></group>
  <environment><id>server</id>
    <grouplist><groupid>core</groupid></grouplist>
    <optionlist><groupid>extra</groupid></optionlist>
  </environment>
</comps>
"""


def grouped(tmp_path: Path, suffix: str = ".gz") -> RpmRepository:
    root = tmp_path / "base"
    for name in ("shell", "editor", "editor-words", "desktop", "desktop-words", "game", "tool"):
        add_rpm(root, name)
    return repository(index(root, suffix=suffix, groups=GROUPS))


CORE = ["editor", "editor-words", "shell"]


@pytest.mark.parametrize(
    ("item", "names"),
    [
        ("@core", CORE),
        ("@core --nodefaults", ["shell"]),
        ("@core --optional", ["editor", "editor-words", "game", "shell"]),
        ("@^server", CORE),
        ("@^server --optional", ["editor", "editor-words", "game", "shell", "tool"]),
    ],
)
def test_a_group_is_its_packages(tmp_path: Path, item: str, names: list[str]) -> None:
    lock = locked(tmp_path, Request((item,)), grouped(tmp_path))
    assert [pin.name for pin in lock.packages] == names
    assert lock.answers == tuple((item, name) for name in names)
    assert check(lock, Request((item,)), [grouped(tmp_path)]) == []


def test_conditional_packages_come_with_what_they_are_for(tmp_path: Path) -> None:
    asked = Request(("@core", "desktop"), exclude=("editor",))
    names = [pin.name for pin in locked(tmp_path, asked, grouped(tmp_path)).packages]
    assert names == ["desktop", "desktop-words", "shell"]


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_groups_come_in_every_compression(tmp_path: Path, suffix: str) -> None:
    assert len(chosen(tmp_path, Request(("@core",)), grouped(tmp_path, suffix))) == 3


def test_groups_of_the_same_id_are_one(tmp_path: Path) -> None:
    root = tmp_path / "more"
    add_rpm(root, "own")
    member = "<packagelist><packagereq>own</packagereq></packagelist>"
    more = f"<comps><group><id>core</id>{member}</group></comps>"
    names = chosen(
        tmp_path, Request(("@core",)), grouped(tmp_path), repository(index(root, groups=more))
    )
    assert len(names) == 4 and "own-1-1.noarch" in names


@pytest.mark.parametrize(
    ("item", "code", "said"),
    [
        ("@cor", "solve.no-group", "@core"),
        ("@core --all", "solve.no-group", "'--all' stands after it"),
        ("@web:1.10/common", "solve.no-group", "streams of modules are no groups"),
        ("@empty", "solve.empty-group", "it names none"),
    ],
)
def test_what_is_wrong_with_a_group_is_told(
    tmp_path: Path, item: str, code: str, said: str
) -> None:
    [problem] = refused(tmp_path, Request((item,)), grouped(tmp_path))
    assert problem.code == code
    assert said in problem.why


def test_comps_that_are_none_are_refused() -> None:
    for text in (b"<comps", b"<other/>", b""):
        with pytest.raises(comps.MalformedComps):
            comps.parse(text)


def test_metadata_that_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    root = tmp_path / "r"
    add_rpm(root, "one")
    kinds = ("updateinfo", "prestodelta", "primary_db", "primary_zck", "filelists_db", "group_zck")
    index(root, others=kinds)
    assert chosen(tmp_path, Request(("one",)), repository(root)) == ["one-1-1.noarch"]


@pytest.mark.parametrize("text", [b"[" * 200_000, b"- " * 200_000, b"{a: " * 200_000])
def test_modules_nested_without_end_are_refused(text: bytes) -> None:
    with pytest.raises(modules.MalformedModules):
        modules.parse(text)
