"""Commands that messages propose do what they say, with the options of the one before."""

from __future__ import annotations

from pathlib import Path

import pytest
from here import Here

from desk import Desk


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


def test_a_proposed_command_has_the_options_that_were_given(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    place, more = str(desk.store.root), tmp_path / "more rpms"
    more.mkdir()
    (more / "x.repo").write_text("[x]\nname=x\nbaseurl=file:///gone\ngpgcheck=0\n")
    told = here("boot", str(desk.file), "--check", "--store", place).stderr
    assert f"run: dockyard build --store {place} {desk.file}" in " ".join(told.split())
    monkeypatch.setenv("DOCKYARD_STORE", place)
    told = here("boot", str(desk.file), "--check").stderr
    assert f"run: dockyard build {desk.file}" in " ".join(told.split())
    (tmp_path / "image.lock").unlink()
    repo = str(more / "x.repo")
    done = here("plan", str(desk.file), "--rpm-source", repo, "--output-image-format", "raw")
    words = " ".join(done.stderr.split())
    assert f"dockyard lock --rpm-source '{repo}' {desk.file}" in words


def test_a_proposed_command_has_no_option_that_it_does_not_take(here: Here, tmp_path: Path) -> None:
    told = here("distro", "check", "harbor", "--store", str(tmp_path)).stderr
    assert f"run: dockyard distro build --store {tmp_path} harbor" in " ".join(told.split())
