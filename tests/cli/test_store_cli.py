"""`dockyard store` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from here import Here

READING = (
    ("list",),
    ("why", "disk"),
    ("verify",),
    ("export", "disk", "--output", "file"),
    ("keep", "web"),
    ("release", "web"),
)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.mark.parametrize("words", READING, ids=lambda words: str(words[0]))
def test_what_only_reads_makes_no_store(
    words: tuple[str, ...], here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for place, state in (("typo/store", "does not exist"), ("empty", "is empty")):
        done = here("store", *words, "--store", place)
        assert done.returncode == 1 and "error[host.no-store]" in done.stderr
        assert state in done.stderr
        told = json.loads(here("store", *words, "--store", place, "--json").stdout)
        assert told["problems"][0]["code"] == "host.no-store"
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
