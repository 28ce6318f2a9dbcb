"""Images made from nothing out of RPMs: of a directory of them, and of a .repo file."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

CONFIG = EXAMPLES / "create/config.yaml"


@pytest.mark.build
def test_an_image_out_of_rpms_has_what_its_file_says(published: Path, tmp_path: Path) -> None:
    rpms, out, again = published / "repositories/harbor", tmp_path / "a.raw", tmp_path / "b.raw"
    given = ("create", "--config-file", CONFIG, "--progress", "quiet", "--json")
    made = run_dockyard(*given, "--rpm-source", rpms, "--output-image-file", out).json
    assert made["packages"] > 50
    told = run_dockyard("inspect", out, "--json", "--users").json
    assert (told["distribution"]["id"], told["hostname"]) == ("harbor", "created")
    users = {user["name"]: user for user in told["users"]}
    assert "operators" in users["ops"]["groups"]
    assert not CONFIG.with_suffix(".lock").exists()
    key = next(rpms.glob("RPM-GPG-KEY-*"))
    repo = tmp_path / "some.repo"
    repo.write_text(f"[some]\nbaseurl=file://{rpms}\ngpgkey=file://{key}\nrepo_gpgcheck=1\n")
    run_dockyard(*given, "--rpm-source", repo, "--output-image-file", again)
    same = run_dockyard("inspect", again, "--json").json
    assert same["packages"]["installed"] == told["packages"]["installed"]
    unchanged = run_dockyard(*given, "--rpm-source", rpms, "--output-image-file", out).json
    assert not unchanged["changed"] and not unchanged["placed"]


@covers()
@pytest.mark.boot
def test_an_image_out_of_rpms_boots_and_every_setting_holds(
    published: Path, tmp_path: Path
) -> None:
    rpms, out = published / "repositories/harbor", tmp_path / "out.raw"
    given = ("--config-file", CONFIG, "--rpm-source", rpms)
    run_dockyard("create", *given, "--output-image-file", out, "--progress", "quiet")
    told = run_dockyard("boot", out, *given, "--check", "--timeout", "600", "--json").json
    assert told["passed"]
    asked = {each["id"] for each in told["checks"]}
    assert {"hostname", "history", "accounts.users"} <= asked
