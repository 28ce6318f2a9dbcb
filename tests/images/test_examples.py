"""Every example is built, booted, and asked whether it is what its file describes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, fresh_store, result_of, run_dockyard

from dockyard.config import load_image
from features import covers

# For another processor: its repository alone takes a minute. See test_other_architecture.
FOREIGN = {"server-aarch64"}
NAMES = sorted({path.parent.name for path in EXAMPLES.glob("*/image.yaml")} - FOREIGN)
# The image that is chosen of a file that has several.
VARIANTS = {"matrix": ("--variant", "xfs-qcow2-debug")}
# By tests that ask more of them than they do themselves.
BOOTED_ELSEWHERE = {"selinux"}
SHOWS = {
    "container-host": covers(format="qcow2"),
    "debian-container-host": covers(distribution="Debian 13", format="qcow2"),
    "debian-server": covers(distribution="Debian 13"),
    "grub": covers(loader="GRUB", format="qcow2"),
    "matrix": covers(file_system="xfs", format="qcow2"),
    "minimal": covers(),
    "server": covers(),
}


def test_there_are_examples() -> None:
    assert {"minimal", "server", "container-host"} <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("server", "host"))])
def test_an_example_that_serves_asks_for_its_services_and_for_errors(name: str) -> None:
    loaded = load_image(EXAMPLES / name / "image.yaml")
    asked = [check.command for check in loaded.image.checks if check.output == ""]
    assert any("--priority=err" in command for command in asked)
    assert any(check.unit in ("ssh", "sshd") for check in loaded.image.checks)


@pytest.mark.build
@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_built_and_an_unchanged_build_does_nothing(
    name: str, published: Path, tmp_path: Path
) -> None:
    image = EXAMPLES / name / "image.yaml"
    out = tmp_path / "image"
    chosen = (image, *VARIANTS.get(name, ()))
    run_dockyard("build", *chosen, "--output-image-file", out, "--progress", "plain")
    assert out.stat().st_size > 0
    again = run_dockyard("build", *chosen, "--output-image-file", out, "--progress", "json")
    assert "StepStarted" not in again.stderr
    assert again.stdout.startswith("unchanged")
    plan = run_dockyard("plan", *chosen, "--json").json["steps"]
    assert {step["action"] for step in plan} <= {"reuse", "skip"}


@pytest.mark.boot
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=SHOWS[name]) for name in NAMES if name not in BOOTED_ELSEWHERE],
)
def test_an_example_boots_and_every_check_passes(name: str, published: Path) -> None:
    image = (EXAMPLES / name / "image.yaml", *VARIANTS.get(name, ()))
    run_dockyard("build", *image, "--output-image-file", ROOT / "build" / f"{name}.img")
    ran = run_dockyard("boot", *image, "--check", "--json", check=False)
    assert ran.status in (0, 1), ran.stderr
    verdict = ran.json
    failed = [check for check in verdict["checks"] if not check["passed"]]
    assert failed == []
    assert verdict["failedUnits"] == []
    assert verdict["systemState"] == "running"
    assert len(verdict["checks"]) >= 5


@pytest.mark.build
def test_two_builds_in_two_places_are_the_same_bytes(published: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        place = tmp_path / f"place-{name}" / "examples"
        shutil.copytree(EXAMPLES / "server", place / "server")
        (place.parent / "distros").symlink_to(ROOT / "distros")
        out = tmp_path / f"{name}.raw"
        image = place / "server/image.yaml"
        run_dockyard(
            "build",
            image,
            "--output-image-file",
            out,
            "--store",
            fresh_store(published, tmp_path, name),
        )
        made.append(out)
    assert first_difference(*made) is None


def first_difference(one: Path, two: Path) -> int | None:
    """The offset of the first differing MiB of two files."""
    with one.open("rb") as left, two.open("rb") as right:
        for number in range(1 << 20):
            a, b = left.read(1 << 20), right.read(1 << 20)
            if a != b:
                return number
            if not a:
                return None
    raise AssertionError("the files are too large to compare")


@pytest.mark.build
def test_a_changed_file_repeats_only_what_depends_on_it(published: Path, tmp_path: Path) -> None:
    place = tmp_path / "examples"
    shutil.copytree(EXAMPLES / "server", place / "server")
    (tmp_path / "distros").symlink_to(ROOT / "distros")
    image, store = place / "server/image.yaml", fresh_store(published, tmp_path, "store")
    out = tmp_path / "out.raw"
    run_dockyard("build", image, "--output-image-file", out, "--store", store)
    (place / "server/files/motd").write_text("changed\n")
    plan = run_dockyard("plan", image, "--store", store, "--json").json["steps"]
    run = {step["name"] for step in plan if step["action"] == "run"}
    assert run == {"settings", "root", "filesystem-root", "manifest"}
    (settings,) = [step for step in plan if step["name"] == "settings"]
    assert "/etc/motd changed" in settings["reason"]
    run_dockyard("build", image, "--output-image-file", out, "--store", store)
    assert b"changed\n" in out.read_bytes()
    manifest = result_of(store, image, "manifest")
    lines = [json.loads(line) for line in (manifest / "manifest.jsonl").read_text().splitlines()]
    files = {line["path"]: line for line in lines}
    assert files["/etc/motd"]["sha256"] == hashlib.sha256(b"changed\n").hexdigest()
    assert files["/usr/bin/bash"]["package"].startswith("bash-")
    assert files["/usr/bin/sudo"]["mode"] == "4755"
    key = (published / "repositories/harbor/RPM-GPG-KEY-harbor").read_bytes()
    trusted = files["/etc/pki/rpm-gpg/RPM-GPG-KEY-harbor"]
    assert trusted["sha256"] == hashlib.sha256(key).hexdigest()
    assert trusted["package"].startswith("harbor-repos-")
    owned = sum("package" in line for line in lines)
    assert owned > 0.95 * len(lines), "few files are made by the build itself"
