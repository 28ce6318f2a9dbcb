"""Images from nothing, out of RPMs that are named: what they become, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dockyard.config import load_image
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Problem
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.pipeline.build import PlannedImage, plan_image
from dockyard.pipeline.creation import Creation
from dockyard.tree.users import GroupSetting, UserSetting

sys.path.append(str(Path(__file__).parents[1] / "packages"))
from rpm_repositories import REVISION, add_rpm, index

EPOCH = 1_700_000_000
CONFIG = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, type: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os:
  bootloader: {resetType: hard-reset}
  packages: {install: [kernel, bash]}
  users: [{name: a}]
  groups: [{name: g}]
  services: {enable: [sshd]}
"""


class Place:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yaml"
        self.config.write_text(CONFIG)
        self.store = Store(root / "store")
        for name, path in (("kernel", "/usr/lib/modules/6.1/vmlinuz"), ("bash", "/usr/bin/bash"),
                           ("ssh", "/usr/lib/systemd/system/sshd.service")):  # fmt: skip
            add_rpm(root / "rpms", name, path=path, built=EPOCH)

    def plan(self, distro: str = "", version: str = "", text: str = CONFIG) -> PlannedImage:
        self.config.write_text(text)
        access = Access.of_store(self.store.root)
        creation = Creation((self.root / "rpms",), access, distro, version)
        return plan_image(load_image(self.config), self.store, Origins(), creation=creation)

    def refused(self, distro: str = "", version: str = "", text: str = CONFIG) -> list[Problem]:
        with pytest.raises(DockyardError) as caught:
            self.plan(distro, version, text)
        return list(caught.value.problems)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def no_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """What small packages lack to boot is not the subject."""
    monkeypatch.setattr("dockyard.pipeline.required.require_parts", lambda _: None)
    monkeypatch.setattr("dockyard.pipeline.from_packages.require_whole", lambda *_: None)
    monkeypatch.setattr("dockyard.pipeline.from_packages._judge_packages", lambda *_: None)


def test_neither_a_distribution_nor_a_lock_is_needed(place: Place) -> None:
    request = place.plan().request
    assert [pin.name for pin in request.packages.lock.packages] == ["bash", "kernel"]
    assert request.family.name == "azure-linux-3"
    assert not place.config.with_suffix(".lock").exists()


def test_the_time_is_that_of_the_metadata_else_of_the_newest_package(place: Place) -> None:
    assert place.plan().request.epoch == EPOCH
    index(place.root / "rpms")
    assert place.plan().request.epoch == REVISION
    (place.root / "timeless").mkdir()
    for path in (place.root / "rpms").glob("*.rpm"):
        path.unlink()
    for name in ("kernel", "bash"):
        add_rpm(place.root / "timeless", name)
    access = Access.of_store(place.store.root)
    for epoch in (None, 5):
        creation = Creation((place.root / "timeless",), access, epoch=epoch)
        if epoch:
            made = plan_image(load_image(place.config), place.store, Origins(), creation=creation)
            assert made.request.epoch == epoch
            continue
        with pytest.raises(DockyardError) as caught:
            plan_image(load_image(place.config), place.store, Origins(), creation=creation)
        assert "SOURCE_DATE_EPOCH" in caught.value.problems[0].fix


def test_users_groups_and_services_are_acted_on(place: Place) -> None:
    settings = place.plan().request.settings
    kinds = [type(each) for each in settings.settings]
    assert UserSetting in kinds and GroupSetting in kinds
    assert any("sshd" in each.describe() for each in settings.settings)
    (record,) = settings.record
    made_of = record.entry["input"]
    assert made_of["packages"][0].startswith("bash-") and len(made_of["packages"]) == 2
    quiet = CONFIG + "  imageHistory: none\n"
    assert place.plan(text=quiet).request.settings.record == ()


@pytest.mark.parametrize(
    ("release", "family"),
    [("harbor", "harbor"), ("fedora", "fedora-41"), ("azurelinux", "azure-linux-4")],
)
def test_the_release_package_says_what_it_becomes(place: Place, release: str, family: str) -> None:
    version = {"harbor": "1", "fedora": "42", "azurelinux": "4.0"}[release]
    add_rpm(place.root / "rpms", f"{release}-release", version, path="/usr/lib/os-release")
    text = CONFIG.replace("[kernel, bash]", f"[kernel, bash, {release}-release]")
    found = place.plan(text=text).request
    assert found.family.name == family
    assert found.packages.distro.distro.version == version
    assert place.plan(release, text=text).request.family.name == family
    (problem,) = place.refused("almalinux", "10", text=text)
    assert problem.code == "create.other-distro" and f"--distro {release}" in problem.fix


def test_what_is_asked_for_on_the_command_line_counts(place: Place) -> None:
    assert place.plan("fedora", "40").request.family.name == "fedora-36"
    (problem,) = place.refused("azurelinux", "1.0")
    assert problem.code == "create.unknown-version"


def test_all_mistakes_come_before_packages_are_chosen(place: Place) -> None:
    text = CONFIG.replace("[kernel, bash]", "[kernel, gone]")
    text += "  additionalFiles: [{source: missing, destination: /etc/x}]\n"
    text += "input: {image: {path: missing.raw}}\n"
    codes = [each.code for each in place.refused(text=text)]
    assert sorted(codes) == ["build.not-acted-on"] + ["config.file-missing"] * 2
    problems = place.refused(text="distro: harbor\n" + CONFIG)
    assert [each.code for each in problems] == ["create.distro"]
    (problem,) = place.refused(text=CONFIG.replace("[kernel, bash]", "[kernel, gone]"))
    assert "gone" in str(problem)


def test_packages_without_keys_are_not_fetched_as_those_with_them(place: Place) -> None:
    from dockyard.pipeline.package_steps import fetch_step

    lock = place.plan().request.packages.lock
    (repository,) = lock.repositories
    signed = replace(lock, repositories=(replace(repository, check_packages=True),))
    assert not repository.check_packages
    first, second = (fetch_step(each, "", (), ()) for each in (lock, signed))
    assert first.id != second.id
