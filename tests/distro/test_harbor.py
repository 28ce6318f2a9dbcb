"""Harbor Linux: its declarations hold together, and what is made of them installs cleanly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.distro.load import LoadedDistro, load_distro
from dockyard.distro.lock import pinned_imports, read_lock
from dockyard.engine.store import Store, default_root
from dockyard.host.files import make_root
from dockyard.host.process import run
from dockyard.host.sandbox import Tools
from dockyard.model import family
from dockyard.model.components import Attribute, Component, Directory, File, Package
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import DebPackage, read_deb

# Accounts that every Debian has, for programs that Harbor lacks: no package has a file of theirs.
OF_DEBIANS_BASE = {"_apt", "fax", "irc", "list", "news", "proxy", "sasl", "src", "uucp", "voice"}
HARBOR = Path(__file__).parents[2] / "distros/harbor"
PACKAGING = family.HARBOR.packaging


@pytest.fixture(scope="module")
def harbor() -> LoadedDistro:
    return load_distro(HARBOR)


def own(harbor: LoadedDistro, name: str) -> Package:
    return next(package for package in harbor.packages if package.name == name)


def text_of(harbor: LoadedDistro, package: str, path: str) -> str:
    (file,) = [file for file in own(harbor, package).files if file.path == path]
    return (HARBOR / file.source).read_text() if file.source else file.content or ""


def rows(harbor: LoadedDistro, package: str, path: str) -> list[list[str]]:
    return [line.split(":") for line in text_of(harbor, package, path).splitlines()]


def declarations(harbor: LoadedDistro) -> list[tuple[str, Component | Package]]:
    return [
        *harbor.components.items(),
        *((package.name, package) for package in harbor.packages),
    ]


def test_accounts_are_unique_and_fixed(harbor: LoadedDistro) -> None:
    users, groups = rows(harbor, "setup", "/etc/passwd"), rows(harbor, "setup", "/etc/group")
    for names in ([row[0] for row in users], [row[0] for row in groups]):
        assert len(names) == len(set(names))
    for numbers in ([int(row[2]) for row in users], [int(row[2]) for row in groups]):
        assert len(numbers) == len(set(numbers))
        assert all(number < 200 or number == 65534 for number in numbers)
    assert {row[3] for row in users} <= {row[2] for row in groups}
    assert all(len(row) == 7 for row in users)
    assert all(len(row) == 4 for row in groups)


def test_shadow_files_fit_the_accounts_and_hold_no_password(harbor: LoadedDistro) -> None:
    for databases, width in (
        (("/etc/passwd", "/etc/shadow"), 9),
        (("/etc/group", "/etc/gshadow"), 4),
    ):
        accounts = rows(harbor, "setup", databases[0])
        secrets = rows(harbor, "shadow-data", databases[1])
        assert [row[0] for row in accounts] == [row[0] for row in secrets]
        assert {row[1] for row in secrets} <= {"*", "!*"}
        assert {len(row) for row in secrets} == {width}


def test_every_declared_owner_is_an_account(harbor: LoadedDistro) -> None:
    users = {row[0] for row in rows(harbor, "setup", "/etc/passwd")}
    groups = {row[0] for row in rows(harbor, "setup", "/etc/group")}
    for name, declared in declarations(harbor):
        items: list[Attribute | Directory | File] = [
            *declared.attributes,
            *declared.directories,
            *declared.files,
        ]
        for item in items:
            assert (item.owner or "root") in users, f"{name}: {item.path}"
            assert (item.group or "root") in groups, f"{name}: {item.path}"


def test_every_file_of_the_distribution_is_used(harbor: LoadedDistro) -> None:
    named = {file.source for _, item in declarations(harbor) for file in item.files if file.source}
    there = {
        path.relative_to(HARBOR).as_posix()
        for path in (HARBOR / "files").rglob("*")
        if path.is_file()
    }
    assert named == there
    for folder, listed in (
        ("components", harbor.distro.components),
        ("packages", harbor.distro.packages),
    ):
        assert {path.relative_to(HARBOR).as_posix() for path in (HARBOR / folder).iterdir()} == set(
            listed
        )


def test_every_scriptlet_is_used(harbor: LoadedDistro) -> None:
    used = {name for _, item in declarations(harbor) for name in item.scriptlets}
    assert used == set(harbor.scriptlets)


def test_groups_of_packages_name_packages_that_exist(harbor: LoadedDistro) -> None:
    known = {item.rpm_name for item in harbor.imports()}
    known |= {package.name for package in harbor.packages}
    for package in harbor.packages:
        names = {relation.split()[0] for relation in (*package.requires, *package.requires_pre)}
        assert names <= known, package.name


def test_what_brings_updates_has_their_repository_and_key(harbor: LoadedDistro) -> None:
    assert "harbor-repos" in harbor.components["dnf"].requires
    trusted = harbor.distro.trusted_key
    assert trusted is not None
    repos = own(harbor, trusted.package)
    assert trusted.path in repos.ghost
    settings = text_of(harbor, "harbor-repos", "/etc/yum.repos.d/harbor.repo").splitlines()
    assert {"gpgcheck=1", "repo_gpgcheck=1", "baseurl=$harbor_mirror"} <= set(settings)
    assert f"gpgkey=file://{trusted.path}" in settings


@pytest.mark.parametrize(
    ("state", "sources"),
    [
        ("OPER_STATE=routable\nDNS=192.0.2.1\n", None),
        ("NTP=\n", None),
        (
            "DNS=192.0.2.1\nNTP=192.0.2.7 ntp.example.com\n",
            "server 192.0.2.7 iburst\nserver ntp.example.com iburst\n",
        ),
    ],
)
def test_the_networks_time_servers_are_given_to_chronyd(
    state: str, sources: str | None, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text(state)
    command = ["sh", str(HARBOR / "files/chrony/chrony-dhcp"), str(tmp_path / "state")]
    made = tmp_path / "chrony/networkd.sources"
    for _ in range(2):
        run([*command, str(tmp_path / "chrony")])
        assert (made.read_text() if made.exists() else None) == sources
    (tmp_path / "state").write_text("")
    run([*command, str(tmp_path / "chrony")])
    assert not made.exists() or made.read_text().strip() == "", "what went away stays away"


@pytest.mark.build
def test_accounts_that_upstreams_packages_ask_for_are_there(
    harbor: LoadedDistro, published: Path
) -> None:
    """Their sysusers.d files are left out and their scripts do not run: setup has the accounts."""
    known = {
        "user": {row[0] for row in rows(harbor, "setup", "/etc/passwd")},
        "group": {row[0] for row in rows(harbor, "setup", "/etc/group")},
    }
    blobs = Blobs(published / "blobs")
    wanted = [
        (item.name, kind, name)
        for item in pinned_imports(harbor, read_lock(harbor))
        for kind, name in accounts_asked_for(read_deb(blobs.path(item.pin.digest)))
    ]
    assert len(wanted) > 40
    missing = {name for _, kind, name in wanted if name not in known[kind]}
    assert missing <= OF_DEBIANS_BASE


def accounts_asked_for(deb: DebPackage) -> Iterator[tuple[str, str]]:
    """(user or group, name) of every account that a package's sysusers.d files or scripts make."""
    scripts = [deb.control_members[name].decode(errors="replace") for name in deb.scripts]
    # Reading everything that the archives hold would take minutes.
    for entry in deb.entries() if any("systemd-sysusers" in text for text in scripts) else ():
        if entry.path.startswith("usr/lib/sysusers.d/") and entry.data:
            for line in entry.data.decode().splitlines():
                words = line.split()
                if words and words[0] in ("u", "u!", "g"):
                    yield "group" if words[0] == "g" else "user", words[1]
    for text in scripts:
        plain = text.replace("\\\n", " ")
        for verb, words in re.findall(r"^\s*(adduser|addgroup)\b(.*)$", plain, re.MULTILINE):
            name = words.split("||")[0].split(">")[0].split()[-1]
            if not name.startswith("$"):
                yield "user" if verb == "adduser" else "group", name


def test_every_system_can_grow_its_root_at_the_first_boot(harbor: LoadedDistro) -> None:
    assert "systemd-repart" in own(harbor, "harbor-core").requires


def test_the_kernel_is_declared_without_its_version(harbor: LoadedDistro) -> None:
    (kernel,) = [
        item for item in pinned_imports(harbor, read_lock(harbor)) if item.name == "kernel"
    ]
    version = kernel.pin.evr.partition("-")[0]
    assert version in kernel.pin.name
    assert all(version in path for path in kernel.declaration.move.values())
    assert version not in (HARBOR / "components/boot.yaml").read_text()


def test_release_agrees_with_the_distribution(harbor: LoadedDistro) -> None:
    text = text_of(harbor, "harbor-release", "/usr/lib/os-release")
    release = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    assert release["ID"] == harbor.distro.name
    assert release["VERSION_ID"] == harbor.distro.version
    assert release["NAME"] == harbor.title


def test_nothing_is_enabled_that_is_not_named(harbor: LoadedDistro) -> None:
    folder = "/usr/lib/systemd/system-preset"
    assert text_of(harbor, "harbor-presets", f"{folder}/99-default.preset") == "disable *\n"
    lines = text_of(harbor, "harbor-presets", f"{folder}/80-harbor.preset").splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert all(verb == "enable" and "*" not in unit for verb, unit in rules)
    assert len({unit for _, unit in rules}) == len(rules)


def test_ssh_lets_nobody_in_by_password(harbor: LoadedDistro) -> None:
    (file,) = [
        file
        for file in harbor.components["openssh-server"].files
        if file.path == "/etc/ssh/sshd_config"
    ]
    assert file.source
    lines = (HARBOR / file.source).read_text().splitlines()
    assert "PasswordAuthentication no" in lines
    assert "KbdInteractiveAuthentication no" in lines
    assert "PermitRootLogin prohibit-password" in lines


@pytest.mark.build
def test_what_dropped_scripts_would_make_is_declared(namespace: None) -> None:
    from dockyard.distro.build import build_distro, plan_distro
    from dockyard.distro.left_out import read_note
    from dockyard.distro.undeclared import undeclared

    store = Store(default_root())
    build_distro(HARBOR, store)
    planned = plan_distro(HARBOR, store)
    notes = [(item, read_note(store.path(step))) for item, step in planned.steps.conversions]
    # Some scripts would make what the upstream package does not answer for itself.
    assert sum(bool(note) for _, note in notes) > 5
    assert undeclared(planned.loaded, notes) == ()


@pytest.mark.build
def test_server_installs_and_verifies(tools: Tools, tmp_path: Path) -> None:
    from dockyard.distro.build import build_distro
    from dockyard.install.finish import finish
    from dockyard.install.rpm import install, verify
    from dockyard.model.packages import Request, RpmRepository
    from dockyard.packages.access import Access
    from dockyard.packages.rpm.repository import open_all
    from dockyard.packages.solve import solve

    built = build_distro(HARBOR, Store(default_root()))
    place = built.path
    keys = tuple(map(str, place.glob("RPM-GPG-KEY-*")))
    repository = RpmRepository("harbor", (f"file://{place}/",), keys=keys, check_metadata=True)
    opened = open_all([repository], Access.of_store(tmp_path / "store"))
    request = Request(("harbor-server", "kernel", "systemd-boot"))
    pins = solve(request, opened, tmp_path / "cache").packages
    assert 150 < len(pins) < 300
    root = tmp_path / "root"
    make_root(root)
    epoch = load_distro(HARBOR).epoch
    report = install([place / pin.path for pin in pins], root, tools, epoch, PACKAGING.database)
    assert report.messages == ()
    finish(root, epoch, PACKAGING)
    assert verify(root, tools, PACKAGING.database) == ()
    late = [path for path in root.rglob("*") if path.lstat().st_mtime > epoch]
    assert late == []
    enabled = {
        path.name for path in (root / "etc/systemd/system/multi-user.target.wants").iterdir()
    }
    assert {"sshd.service", "chronyd.service", "systemd-networkd.service"} <= enabled
    assert not list((root / "etc/ssh").glob("ssh_host_*"))
    assert (root / "etc/machine-id").read_bytes() == b""
