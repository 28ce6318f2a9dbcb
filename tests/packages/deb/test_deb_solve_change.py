"""What changes among the installed packages of a Debian system."""

from __future__ import annotations

from dataclasses import replace

import pytest

from debian_archive import SmallArchive, certificates
from dockyard.errors import DockyardError
from dockyard.model.packages import Lock, Request
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import DebianArchive
from dockyard.packages.deb.changes import changes_of_debs
from dockyard.packages.deb.index import Index, open_index
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.solve_change import solve_change
from dockyard.packages.deb.suite import Suite
from dockyard.packages.solve import Solution

INSTALLED = (
    "base 1; Essential: yes; Depends: awk",
    "mawk 1; Provides: awk",
    "lib 1; Installed-Size: 10",
    "server 1:1-1; Depends: lib (>= 1), agent",
    "agent 1",
    "held 1; Status: hold ok installed",
    "old 1; Status: deinstall ok config-files",
)
ARCHIVE = (
    "base 1; Essential: yes; Depends: awk",
    "base 2; Essential: yes; Depends: awk",
    "mawk 1; Provides: awk",
    "gawk 1; Provides: awk",
    "lib 2; Installed-Size: 30",
    "server 1:2-1; Depends: lib (>= 2), agent",
    "agent 1",
    "held 2",
    "tool 1; Depends: other-agent | agent, helper",
    "helper 1",
    "newer 1; Depends: lib (>= 2)",
    "rival 1; Conflicts: agent",
    "mail-a 1; Provides: mail",
    "mail-b 1; Provides: mail",
)


def status(*packages: str) -> InstalledDebs:
    text = ""
    for each in packages:
        head, *fields = (part.strip() for part in each.split(";"))
        name, version = head.split()
        lines = [f"Package: {name}", f"Version: {version}", "Architecture: amd64", *fields]
        if "Status: " not in each:
            lines.append("Status: install ok installed")
        text += "".join(f"{line}\n" for line in lines) + "\n"
    return InstalledDebs(text)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    place = tmp_path_factory.mktemp("archive")
    small = SmallArchive(place / "archive")
    for each in ARCHIVE:
        head, *fields = (part.strip() for part in each.split(";"))
        name, version = head.split()
        given = dict(field.split(": ", 1) for field in fields)
        small.add(name, version, **{key.replace("-", "_"): given[key] for key in given})
    small.publish()
    blobs = Blobs(place / "blobs")
    archive = DebianArchive([(place / "archive").as_uri()], blobs, certificates=certificates())
    files = archive.packages([Suite("stable")])
    open_index(files, blobs, place / "cache", status(*INSTALLED))
    return open_index(files, blobs, place / "cache", status(*INSTALLED))  # as it was kept


def solved(
    index: Index, *, install: str = "", remove: str = "", update: str = "", **more: bool
) -> Solution:
    request = Request(
        tuple(sorted(install.split())),
        remove=tuple(sorted(remove.split())),
        update=tuple(sorted(update.split())),
        update_all=more.get("update_all", False),
    )
    return solve_change(index, request, status(*INSTALLED))


def told(found: Solution) -> tuple[list[str], list[str]]:
    return [f"{pin.name} {pin.evr}" for pin in found.packages], list(found.removed)


def codes(index: Index, install: str = "", remove: str = "", update: str = "") -> list[str]:
    with pytest.raises(DockyardError) as caught:
        solved(index, install=install, remove=remove, update=update)
    return [each.code for each in caught.value.problems]


def test_what_is_asked_for_comes_with_what_it_needs_and_no_more(index: Index) -> None:
    found = solved(index, install="tool")
    assert told(found) == (["helper 1", "tool 1"], [])
    assert [(each.name, each.why) for each in found.changes] == [
        ("helper", "tool needs it"),
        ("tool", "asked for"),
    ]


def test_what_is_there_is_updated_where_something_needs_that(index: Index) -> None:
    found = solved(index, install="newer")
    assert told(found) == (["lib 2", "newer 1"], ["lib_1_amd64"])
    [lib] = [each for each in found.changes if each.name == "lib"]
    assert (lib.act, lib.before, lib.after, lib.size) == ("update", "1", "2", 20 * 1024)


def test_updates_take_the_newest_of_one_or_of_all_but_what_is_held(index: Index) -> None:
    assert told(solved(index, update="server"))[0] == ["lib 2", "server 1:2-1"]
    found = solved(index, update_all=True)
    assert told(found)[0] == ["base 2", "lib 2", "server 1:2-1"]
    assert found.held_back == (("held_1_amd64", "2"),)


def test_what_needs_what_goes_goes_with_it(index: Index) -> None:
    found = solved(index, remove="lib")
    assert told(found) == ([], ["lib_1_amd64", "server_1:1-1_amd64"])
    assert [each.why for each in found.changes] == ["asked for", "needs lib"]


def test_what_goes_may_be_replaced_in_the_same_change(index: Index) -> None:
    assert told(solved(index, install="gawk", remove="mawk")) == (["gawk 1"], ["mawk_1_amd64"])
    assert told(solved(index, remove="mawk")) == (["gawk 1"], ["mawk_1_amd64"])


def test_an_archive_without_anything_asked_of_it_changes_nothing(index: Index) -> None:
    assert told(solved(index, install="agent")) == ([], [])


def test_what_cannot_be_is_told_together(index: Index) -> None:
    assert codes(index, remove="base") == ["debian.protected"]
    assert codes(index, install="rival") == ["debian.conflict"]
    assert codes(index, install="none mail", remove="tool", update="helper") == [
        "debian.not-installed",
        "debian.ambiguous",
        "debian.no-package",
        "debian.not-installed",
    ]
    assert codes(index, install="tool agent", remove="agent") == [
        "debian.contradiction",
        "debian.no-package",
    ]


def test_what_is_half_installed_is_known_and_the_identity_follows_what_is_there() -> None:
    one = status(*INSTALLED)
    assert one.held == {"held"} and one.protected == {"base"}
    assert "old_1_amd64" not in one.labels and one.unfinished == []
    assert one.identity == status(*reversed(INSTALLED)).identity
    assert one.identity != status(*INSTALLED, "more 1").identity
    half = status(*INSTALLED, "half 1; Status: install ok unpacked")
    assert half.unfinished == ["half_1_amd64: install ok unpacked"]
    assert replace(half) == half


@pytest.mark.parametrize("label", ['x"$(touch owned)"_1_amd64', "lib_2_amd64", "lib"])
def test_a_lock_removes_nothing_that_is_not_there(label: str) -> None:
    lock = Lock("web", Request((), remove=("lib",)), removed=(label,))
    with pytest.raises(DockyardError, match="does not have"):
        changes_of_debs(lock, status("lib 1"))


@pytest.mark.parametrize(
    "package",
    [
        'x"$(id)" 1',
        "a/../b 1",
        "lib 1_2",
        "lib \u00b2",
        "lib 1; Installed-Size: \u00b2",
        f"lib 1; Installed-Size: {'9' * 5000}",
        "lib 1; Architecture: amd64 all",
        "agent 2",
    ],
)
def test_what_dpkg_would_not_write_is_told(package: str) -> None:
    assert not status(*INSTALLED).malformed
    assert status(*INSTALLED, package).malformed


@pytest.mark.parametrize("wanted", ["purge", "deinstall"])
def test_what_is_marked_to_go_and_still_there_is_unfinished(wanted: str) -> None:
    assert not status(*INSTALLED).unfinished
    assert status(f"lib 1; Status: {wanted} ok installed").unfinished
