"""What dropped maintainer scripts would have made, and nothing declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from debs import directory, documents, file, make_deb

from debian_archive import Member
from dockyard.distro.arguments import Conversion, DistroFacts
from dockyard.distro.convert import build
from dockyard.distro.dropped import acts
from dockyard.distro.load import load_distro
from dockyard.distro.lock import PinnedImport
from dockyard.distro.relations import Relations
from dockyard.distro.undeclared import undeclared
from dockyard.errors import Problem, Severity
from dockyard.model.packages import PackageKind, Pin
from dockyard.packages.deb.package import read_deb

DISTRO = """\
name: small
version: "1"
epoch: 1767225600
upstream: {debian: {suites: [{name: trixie}]}}
components: [all.yaml]
packages: [own.yaml]
drop: [/usr/lib/sysusers.d/*, /etc/hooks.d]
"""
OWN = """\
name: own
version: "1"
summary: Accounts
license: MIT
users: [u known - "" - -]
files: [{path: /etc/group, content: "listed:x:7:\\n"}]
directories: [{path: /srv/own}]
"""


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("adduser --system --quiet --home /var/lib/x daemon-x", ["user or group daemon-x"]),
        ("adduser x-user x-group", ["user or group x-user", "user or group x-group"]),
        ("if ! getent group g >/dev/null; then addgroup --system g; fi", ["user or group g"]),
        ("useradd -r -s /bin/false -d /srv \\\n  long", ["user or group long"]),
        ("[ -d /srv/a ] || mkdir -p -m 0755 /srv/a 2>/dev/null", ["directory /srv/a"]),
        ("install -d -o u -g g /srv/b", ["directory /srv/b"]),
        ("install -m 644 one two", []),
        ('d=/srv/c\nchown u:g "$d/d"', ["owner of /srv/c/d"]),
        ("for d in one two; do chgrp g /srv/$d; done", ["owner of /srv/one", "owner of /srv/two"]),
        ("chown root:root /srv/e", []),
        ("dpkg-statoverride --update --add u g 0750 /srv/f", ["owner of /srv/f"]),
        ("dpkg-statoverride --list /srv/f", []),
        ('systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} a.conf', ["users of a.conf"]),
        ('P=/etc/p/q\nmkdir -p `dirname "$P"`', ["directory /etc/p"]),
        ("mkdir $(made-up)", ["directory $()"]),
        ("# mkdir /srv/g\necho mkdir /srv/g", []),
        ("cat <<EOF\nmkdir /srv/h\nEOF\nmkdir /srv/i", ["directory /srv/i"]),
        ('echo "a text\nmkdir /srv/j\nof lines"', ["directory /srv/j"]),
    ],
)
def test_what_scripts_make_is_read_from_their_lines(
    script: str, expected: list[str], tmp_path: Path
) -> None:
    deb = read_deb(make_deb(tmp_path / "x.deb", postinst=script))
    assert [str(act) for act in acts(deb)] == expected


def _warnings(
    place: Path, script: str, declaration: str = "", entries: Sequence[Member] = ()
) -> tuple[Problem, ...]:
    (place / "distro.yaml").write_text(DISTRO)
    (place / "own.yaml").write_text(OWN)
    (place / "all.yaml").write_text(f"components:\n  sample: {{{declaration}}}\n")
    loaded = load_distro(place)
    deb = make_deb(place / "x.deb", "sample", [*documents("sample"), *entries], postinst=script)
    pin = Pin("sample", "1.2-3", "amd64", "trixie", "x.deb", PackageKind.DEB, 1, digest="0" * 64)
    component = loaded.components["sample"]
    item = PinnedImport("sample", "sample", pin, component, True)
    facts = DistroFacts("Small 1", "Small", 1, loaded.distro.drop, loaded.distro.keep)
    # What is not there to be read is another test's.
    plain = replace(component, files=(), attributes=(), config=())
    wanted = Conversion(
        name="sample",
        digest=pin.digest,
        upstream="sample",
        declaration=plain,
        facts=facts,
        directory=place,
        strict=False,
    )
    return undeclared(loaded, [(item, build(wanted, read_deb(deb), Relations()).left)])


def test_a_warning_names_component_lines_and_keys(tmp_path: Path) -> None:
    script = "adduser --system git\nmkdir -p /var/lib/git\nchown git /var/lib/git\n"
    (found,) = _warnings(tmp_path, script)
    assert (found.code, found.severity) == ("distro.script-dropped", Severity.WARNING)
    assert found.what == (
        "sample: nothing declares what the scripts of sample would make: user or group git, "
        "directory /var/lib/git, owner of /var/lib/git"
    )
    assert str(found.where) == f"{tmp_path / 'all.yaml'}:2:3"
    assert found.excerpt == (
        "postinst:2: adduser --system git",
        "postinst:3: mkdir -p /var/lib/git",
        "postinst:4: chown git /var/lib/git",
    )
    for word in ("all.yaml", "distro.yaml", "users:", "directories:", "attributes:", "doWithout:"):
        assert word in found.fix
    assert "`doWithout: [git, /var/lib/git]` at sample in" in found.fix


def test_what_only_the_running_script_knows_can_be_done_without(tmp_path: Path) -> None:
    (found,) = _warnings(tmp_path, "mkdir -p $(made-up)")
    assert '`doWithout: ["$()"]`' in found.fix
    assert _warnings(tmp_path, "mkdir -p $(made-up)", 'doWithout: ["$()"]') == ()


SYSUSERS = [directory("usr/lib"), directory("usr/lib/sysusers.d")]
TMPFILES = [directory("usr/lib"), directory("usr/lib/tmpfiles.d")]


@pytest.mark.parametrize(
    ("script", "declaration", "entries"),
    [
        ("adduser known", "", []),
        ("addgroup listed", "", []),
        ("adduser git", "doWithout: [git]", []),
        ("mkdir /srv/own", "", []),
        ("mkdir -p /srv/a/b", "directories: [{path: /srv/a/b}]", []),
        ("mkdir -p /srv/a", "files: [{path: /srv/a/b, content: x}]", []),
        ("mkdir -p /srv/a/b", "doWithout: [/srv/**]", []),
        ("mkdir -p /etc/hooks.d/x", "", []),
        ("mkdir -p /srv/a", "", [directory("srv"), directory("srv/a")]),
        ("mkdir -p /srv/a", "", [*TMPFILES, file("usr/lib/tmpfiles.d/a.conf", b"d /srv/a 0755")]),
        (
            "chown known /srv/a/*",
            "attributes: [{path: /srv/a/*, owner: known}]",
            [directory("srv"), directory("srv/a"), file("srv/a/b")],
        ),
        ("chown known /srv/a", "directories: [{path: /srv/a, owner: known}]", []),
        (
            "systemd-sysusers a.conf",
            "",
            [*SYSUSERS, file("usr/lib/sysusers.d/a.conf", b"u known -\ng listed 7\n")],
        ),
        (
            "adduser git",
            "files: [{path: /usr/lib/sysusers.d/git.conf, content: u git -}]",
            [],
        ),
    ],
)
def test_what_is_declared_is_silent(
    script: str, declaration: str, entries: list[Member], tmp_path: Path
) -> None:
    assert _warnings(tmp_path, script, declaration, entries) == ()


def test_the_users_of_a_dropped_file_are_named(tmp_path: Path) -> None:
    entries = [*SYSUSERS, file("usr/lib/sysusers.d/a.conf", b"u known -\nu! lost -\n")]
    (found,) = _warnings(tmp_path, "systemd-sysusers a.conf", "", entries)
    assert found.what.endswith(": user or group lost")


def test_a_directory_without_its_owner_is_told(tmp_path: Path) -> None:
    entries = [directory("srv"), directory("srv/a")]
    (found,) = _warnings(tmp_path, "mkdir -p /srv/a; chown known /srv/a", "", entries)
    assert found.what.endswith("make: owner of /srv/a")
