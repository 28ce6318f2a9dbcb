"""Packages of images that exist: what was asked for changes, rpm agrees, and twice is the same."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from dockyard.packages.rpm.contents import (
    PackagedFile,
    PackageScriptlet,
    RpmPackage,
    parse_relation,
)
from dockyard.packages.rpm.writer import write_package
from dockyard.tree.history import HISTORY
from features import covers

pytestmark = pytest.mark.build

MINIMAL = EXAMPLES / "minimal/image.yaml"
BUILT = 1767225600
CONFIG = f"""
distro: {ROOT / "distros/harbor"}
os:
  packages: {{install: [jq, tree], remove: [libnss-myhostname], update: [hostname]}}
scripts:
  postCustomization:
    - content: |
        #!/bin/sh
        set -e
        jq --version > /etc/jq-version
        hostname > /etc/hostname-says
"""


def newer(directory: Path, version: str = "99", built: int = BUILT) -> Path:
    """A directory with a newer package of an image's own, whose scriptlet runs in the tree. built:
    when, in seconds.
    """
    package = RpmPackage(
        name="hostname",
        version=version,
        release="1",
        summary="Another hostname",
        license="MIT",
        architecture="x86_64",
        build_time=built,
        files=[
            PackagedFile(
                "/usr/bin/hostname", stat.S_IFREG | 0o755, b"#!/bin/sh\necho new\n", mtime=BUILT
            )
        ],
        provides=[parse_relation(f"hostname = {version}-1")],
        scriptlets=[PackageScriptlet("post", script="echo $1 > /etc/hostname-updated\n")],
    )
    directory.mkdir(exist_ok=True)
    with (directory / package.file_name).open("wb") as out:
        write_package(package, out)
    return directory


def names(image: Path) -> dict[str, str]:
    found = run_dockyard("inspect", image, "--json").json["packages"]["installed"]
    return {each["name"]: each["version"] for each in found}


@pytest.fixture(scope="module")
def base(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base") / "base.raw"
    run_dockyard("build", MINIMAL, "--output-image-file", out, "--progress", "quiet")
    return out


@covers("os.packages, install", "os.packages, remove", "os.packages, update")
def test_packages_come_go_and_are_updated(base: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "out.raw"
    config.write_text(CONFIG)
    given = ("--config-file", config, "--image-file", base, "--rpm-source", newer(tmp_path / "r"))
    words = (*given, "--output-image-file", out, "--json", "--progress", "quiet")
    made = run_dockyard("customize", *words).json
    assert made["placed"]
    before, after = names(base), names(out)
    assert after["hostname"] == "99-1"
    assert after.keys() - before.keys() == {"jq", "tree", "libjq1", "libonig5"}
    gone = before.keys() - after.keys()
    assert "libnss-myhostname" in gone
    assert {name: before[name] for name in before.keys() & after.keys() - {"hostname"}} == {
        name: after[name] for name in before.keys() & after.keys() - {"hostname"}
    }
    files = run_dockyard("diff", base, out, "--json", check=False).json["files"]
    added = {each["path"] for each in files["added"]}
    assert {"/usr/bin/jq", "/usr/bin/tree", "/etc/hostname-updated", "/etc/jq-version"} <= added
    assert "/usr/bin/hostname" in {each["path"] for each in files["changed"]}
    assert not {path for path in added if path.startswith(("/run/", "/tmp/", "/var/tmp/"))}
    # Nothing to do the second time; and what came out goes in.
    assert not run_dockyard("customize", *words).json["changed"]
    again = tmp_path / "again.yaml"
    again.write_text("os: {packages: {remove: [jq]}}\n")
    twice = tmp_path / "twice.raw"
    last = ("--config-file", again, "--image-file", out, "--output-image-file", twice)
    run_dockyard("customize", *last, "--progress", "quiet")
    assert after.keys() - names(twice).keys() == {"jq"}


def test_what_cannot_be_done_is_told_before_any_work(base: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"distro: {ROOT / 'distros/harbor'}\n"
        "os:\n  packages:\n    install: [tre]\n    remove: [less, libc6]\n    update: [nginx]\n"
        "  services: {enable: [nginx]}\n"
    )
    words = ("--config-file", config, "--image-file", base, "--output-image-file", tmp_path / "o")
    done = run_dockyard("customize", *words, check=False)
    assert done.status == 1
    for said in (
        "there is no package tre", "tree", "config.yaml:4",
        "package less is not in the image", "config.yaml:5",
        "package nginx is not in the image", "config.yaml:6",
    ):  # fmt: skip
        assert said in done.stderr
    # Whether the unit is there depends on packages that could not be chosen.
    assert "tree.no-unit" not in done.stderr
    # The image's own repository is on no server: nothing is passed over.
    config.write_text("os: {packages: {install: [tree]}}\n")
    done = run_dockyard("customize", *words, check=False)
    text = " ".join(done.stderr.split())
    if "base.raw:/etc/yum.repos.d" in text:
        assert "--disable-base-image-rpm-repos" in text
    done = run_dockyard("customize", *words, "--disable-base-image-rpm-repos", check=False)
    assert "there is no repository to take packages from" in done.stderr


def test_a_distribution_that_is_not_there_is_told_once(base: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("distro: /not/there\nos: {packages: {install: [jq]}}\n")
    done = run_dockyard("plan", config, "--image-file", base, check=False)
    assert done.stderr.count("error[") == 1 and "config.file-missing" in done.stderr


def test_what_the_image_lacks_is_told_by_the_plan(base: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "os:\n  services: {enable: [jq-server, systemd-journald]}\n  overlays:\n"
        "    - {lowerDirs: [/etcc], upperDir: /o/u, workDir: /o/w, mountPoint: /etc}\n"
        "    - {lowerDirs: [/usr, /etc], upperDir: /p/u, workDir: /p/w, mountPoint: /srv}\n"
    )
    done = run_dockyard("plan", config, "--image-file", base, check=False)
    assert done.status == 1 and done.stderr.count("error[") == 3
    for said in ("no unit jq-server.service", "has no [Install]", "show /etcc, which is no dir"):
        assert said in " ".join(done.stderr.split())
    assert "config.yaml:4:20" in done.stderr


def test_a_plan_shows_the_change_and_a_lock_holds_it(base: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    given = (config, "--image-file", base, "--rpm-source", newer(tmp_path / "r"))
    planned = run_dockyard("plan", *given, "--json").json["changes"]
    packages = {each["name"]: each for each in planned["packages"]}
    assert (packages["hostname"]["act"], packages["hostname"]["after"]) == ("update", "99-1")
    assert packages["libjq1"]["why"] == "jq needs it" and not packages["libjq1"]["asked"]
    assert packages["libnss-myhostname"]["act"] == "remove"
    assert planned["room"]["fits"] and planned["room"]["mount"] == "/"
    assert planned["growth"] == sum(each["size"] for each in planned["packages"]) > 0
    assert run_dockyard("lock", *given, "--json").json["packages"] == 5
    locked = run_dockyard("plan", *given, "--json").json["changes"]
    assert locked["lock"] == str(tmp_path / "config.lock")
    keys = ("name", "act", "before", "after", "size", "asked")
    assert [[each[key] for key in keys] for each in locked["packages"]] == [
        [each[key] for key in keys] for each in planned["packages"]
    ]
    # Something else is asked for than what was locked: nothing is decided behind anybody's back.
    config.write_text(CONFIG.replace("tree]", "tree, htop]"))
    words = ("--config-file", config, *given[1:], "--output-image-file", tmp_path / "o")
    done = run_dockyard("customize", *words, check=False)
    assert "lock.stale" in done.stderr and "htop is asked for now" in done.stderr


@covers("os.packages.snapshotTime")
def test_what_is_later_than_the_time_is_not_seen(base: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "out.raw"
    config.write_text(
        "previewFeatures: [package-snapshot-time]\n"
        "os: {packages: {update: [hostname], snapshotTime: 2026-01-10}}\n"
    )
    packages = newer(newer(tmp_path / "r"), "100", BUILT + 30 * 86400)
    files = ("--config-file", config, "--image-file", base, "--output-image-file", out)
    given = (*files, "--rpm-source", packages, "--disable-base-image-rpm-repos")
    run_dockyard("customize", *given, "--progress", "quiet")
    assert names(out)["hostname"] == "99-1"
    later = ("--package-snapshot-time", "2026-03-01", "--progress", "quiet")
    run_dockyard("customize", *given, *later)
    assert names(out)["hostname"] == "100-1"
    tar = tmp_path / "out.tar"
    words = ("--output-image-file", tar, "--output-image-format", "tar")
    run_dockyard("customize", *given, *words, *later)
    with tarfile.open(tar) as members:
        history = members.extractfile(HISTORY.removeprefix("/"))
        assert history is not None
        done = json.load(history)[-1]["input"]
    assert done["packageSnapshotTime"] == "2026-03-01" and done["disableBaseImageRpmRepos"]


@covers("os.packages.removePackageManager")
def test_an_image_without_its_package_manager_has_no_database(base: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "out.raw"
    config.write_text(
        f"distro: {ROOT / 'distros/harbor'}\n"
        "os: {packages: {install: [rpm, tree], removePackageManager: true}}\n"
        "scripts: {postCustomization: [{content: '#!/bin/sh\n\nrpm -q tree > /etc/said'}]}\n"
    )
    words = ("--config-file", config, "--image-file", base, "--output-image-file", out)
    run_dockyard("customize", *words, "--progress", "quiet")
    assert not run_dockyard("inspect", out, "--json").json["packages"]["installed"]
    files = run_dockyard("diff", base, out, "--json", check=False).json["files"]
    added, removed = ({each["path"] for each in files[key]} for key in ("added", "removed"))
    assert {"/usr/bin/tree", "/etc/said"} <= added and "/usr/bin/rpm" not in added
    assert "/var/lib/rpm/rpmdb.sqlite" in removed
    again = ("--config-file", config, "--image-file", out, "--output-image-file", tmp_path / "o")
    done = run_dockyard("customize", *again, check=False)
    assert "it has no database of packages" in done.stderr
    done = run_dockyard("customize", *words, "--output-image-format", "cosi", check=False)
    assert (
        "cannot be combined with the format cosi" in done.stderr and "2 problems" not in done.stderr
    )
