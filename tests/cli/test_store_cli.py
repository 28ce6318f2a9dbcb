"""`dockyard store` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from here import Here

from dockyard.cli.store_text import listing
from dockyard.keeping.inventory import Inventory, Result

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


def test_many_results_of_a_kind_are_named_as_the_plan_names_them() -> None:
    def result(number: int, group: str) -> Result:
        key = f"convert-{number:040x}"
        return Result(key, key, "convert", f"Convert p{number}", {}, 1, 0.0, group=group)

    def rows(*groups: str) -> list[str]:
        results = [result(number, group) for number, group in enumerate(groups)]
        listed = listing(Inventory({each.key: each for each in results}), results, 60.0, False)
        return [line.split("ago")[1].split("  --")[0].strip() for line in listed[1:]]

    assert rows(*["Convert upstream packages"] * 5) == ["Convert upstream packages (5)"]
    # Of before groups were noted.
    assert rows(*["Convert upstream packages"] * 2, "", "") == ["convert (4)"]
