"""Packages of Debian images that exist: what was asked for changes, dpkg agrees, and twice is the
same.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest
from command_line import EXAMPLES, fresh_store, run_dockyard

from debian_archive import SmallArchive, key
from features import covers

pytestmark = pytest.mark.build

DISTRO = """\
name: debian
version: "13"
archive:
  suites: [{name: stable, baseurl: archive}]
  signedBy: [%s]
  keys: archive.asc
"""
CHANGE = """\
distro: distro
os:
  packages: {install: [tool], remove: [sudo]}
scripts:
  postCustomization:
    - content: |
        #!/bin/sh
        dpkg --audit > /etc/audited
        dpkg --verify >> /etc/audited
"""
ASKED = "#!/bin/sh\nset -e\ntest -e /etc/early\nservice ssh start || true\n"


def archive(place: Path, *more: tuple[str, str]) -> None:
    """A distribution with an archive: a tool, what it depends on in advance, and more."""
    certificate = key("archive").extract_certificate()
    (place / "distro").mkdir(exist_ok=True)
    (place / "distro/archive.asc").write_bytes(bytes(certificate))
    (place / "distro/distro.yaml").write_text(DISTRO % certificate.fingerprint.upper())
    small = SmallArchive(place / "distro/archive")
    small.scripts["early"] = {"postinst": "#!/bin/sh\necho ready > /etc/early\n"}
    small.scripts["tool"] = {"preinst": ASKED}
    small.add("early", "1")
    small.add("tool", "1", Pre_Depends="early", Depends="libc6")
    small.scripts.clear()
    for name, version in more:
        small.add(name, version, Depends="libc6")
    small.publish()


def root_of(image: Path, place: Path) -> Path:
    """The root of an image as an archive."""
    out = place / f"{image.stem}.tar"
    file = place / "nothing.yaml"
    file.write_text("os: {imageHistory: none}\n")
    words = ("--config-file", file, "--image-file", image, "--output-image-file", out)
    run_dockyard("customize", *words, "--output-image-format", "tar", "--progress", "quiet")
    return out


def text_of(root: tarfile.TarFile, path: str) -> str:
    found = root.extractfile(path)
    assert found is not None
    return found.read().decode()


def states(status: str) -> dict[str, str]:
    """Version and state of each package in dpkg's file."""
    found = re.findall(r"(?ms)^Package: (\S+)$.*?^Status: (.*?)$.*?^Version: (\S+)$", status)
    return {name: f"{version} {state}" for name, state, version in found}


@pytest.fixture(scope="module")
def base(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base") / "base.raw"
    image = EXAMPLES / "debian-server/image.yaml"
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return out


@covers("os.packages, install", "os.packages, remove", "os.packages, update")
def test_packages_come_go_and_are_updated_by_the_images_own_dpkg(
    base: Path, published: Path, tmp_path: Path
) -> None:
    archive(tmp_path)
    # Scripts see what is beside their file: that is to be the same twice.
    config, made = tmp_path / "config/config.yaml", []
    config.parent.mkdir()
    config.write_text(CHANGE.replace("distro: ", "distro: ../"))
    run_dockyard("lock", config, "--image-file", base)
    for name, store in (("one", published), ("two", fresh_store(published, tmp_path, "two"))):
        made.append(tmp_path / f"{name}.raw")
        words = ("--config-file", config, "--image-file", base, "--output-image-file", made[-1])
        run_dockyard("customize", *words, "--store", store, "--progress", "quiet")
    assert made[0].read_bytes() == made[1].read_bytes()
    with tarfile.open(root_of(base, tmp_path)) as root:
        before = states(text_of(root, "var/lib/dpkg/status"))
    with tarfile.open(root_of(made[0], tmp_path)) as root:
        after = states(text_of(root, "var/lib/dpkg/status"))
        assert text_of(root, "etc/audited") == ""
        names = {name.removeprefix("./") for name in root.getnames()}
    assert after == {
        **{name: state for name, state in before.items() if name != "sudo"},
        "early": "1 install ok installed",
        "tool": "1 install ok installed",
    }
    assert {"usr/tool", "usr/early", "etc/early"} <= names
    left = ("usr/bin/sudo", "etc/sudo.conf", "usr/sbin/policy-rc.d", "var/log/dpkg.log")
    assert not names.intersection(left) and not [name for name in names if "-old" in name]
    # What came out goes in.
    archive(tmp_path, ("tool", "2"))
    config.with_suffix(".lock").unlink()
    config.write_text("distro: ../distro\nos: {packages: {update: [tool], remove: [early]}}\n")
    last = ("--image-file", made[0], "--output-image-file", tmp_path / "last.raw")
    run_dockyard("customize", "--config-file", config, *last, "--progress", "quiet")
    with tarfile.open(root_of(tmp_path / "last.raw", tmp_path)) as root:
        again = states(text_of(root, "var/lib/dpkg/status"))
    assert again == {
        **{name: state for name, state in after.items() if name != "early"},
        "tool": "2 install ok installed",
    }


def test_a_plan_shows_the_change_and_a_lock_holds_it(base: Path, tmp_path: Path) -> None:
    archive(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(CHANGE)
    given = (config, "--image-file", base)
    planned = run_dockyard("plan", *given, "--json").json["changes"]
    told = {each["name"]: (each["act"], each["why"]) for each in planned["packages"]}
    assert told == {
        "early": ("install", "tool needs it"),
        "tool": ("install", "asked for"),
        "sudo": ("remove", "asked for"),
    }
    assert run_dockyard("lock", *given, "--json").json["packages"] == 2
    locked = run_dockyard("plan", *given, "--json").json["changes"]
    assert locked["lock"] == str(tmp_path / "config.lock")
    assert [each["name"] for each in locked["packages"]] == ["early", "sudo", "tool"]
    assert "unchanged" in run_dockyard("lock", *given, "--refresh-missing").stdout
    config.write_text(CHANGE.replace("[tool]", "[tool, early]"))
    done = run_dockyard("plan", *given, check=False)
    assert "lock.stale" in done.stderr and "early is asked for now" in done.stderr


def test_what_cannot_be_done_is_told_before_any_work(base: Path, tmp_path: Path) -> None:
    archive(tmp_path)
    config = tmp_path / "config.yaml"
    given = (config, "--image-file", base)
    config.write_text(
        "distro: distro\nos: {packages: {install: [none], remove: [gone], update: [tool]}}\n"
    )
    done = run_dockyard("plan", *given, check=False)
    assert done.stderr.count("error[") == 3
    config.write_text("os: {packages: {remove: [dpkg], removePackageManager: true}}\n")
    assert "build.manager-stays" in run_dockyard("plan", *given, check=False).stderr
    config.write_text("os: {packages: {remove: [dpkg]}}\n")
    assert "debian.protected" in run_dockyard("plan", *given, check=False).stderr
    # apt of the image takes nothing from anywhere.
    config.write_text("os: {packages: {install: [tool]}}\n")
    assert "repository.none" in run_dockyard("plan", *given, check=False).stderr
