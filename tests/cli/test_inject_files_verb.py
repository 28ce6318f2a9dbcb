"""`dockyard inject-files`: every mistake is told with its place, before any work."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from here import Here

from dockyard.disk import gpt
from dockyard.disk.partition_types import ESP

MIB = 1 << 20
FAT = UUID(int=1)


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    monkeypatch.setenv("DOCKYARD_STORE", str(tmp_path / "store"))
    return Here(monkeypatch, capsys)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with two partitions of one label, and one that holds nothing."""
    path = tmp_path / "disk.raw"
    entries = [
        gpt.TableEntry(number, ESP, UUID(int=number), number * MIB, MIB, label, 0)
        for number, label in ((1, "twice"), (2, "twice"), (3, "empty"))
    ]
    with path.open("wb") as file:
        file.truncate(6 * MIB)
        gpt.write(gpt.Table(UUID(int=9), 6 * MIB, tuple(entries)), file)
    return path


def refused(here: Here, disk: Path, text: str, *more: str) -> list[dict[str, str]]:
    """The problems of a file, none of which changes the disk."""
    config, before = disk.with_name("inject.yaml"), disk.read_bytes()
    config.write_text(text)
    disk.with_name("file").write_text("what is put")
    words = ("--config-file", str(config), "--image-file", str(disk), "--json", *more)
    done = here("inject-files", *words)
    assert done.returncode == 1 and disk.read_bytes() == before
    found: list[dict[str, str]] = json.loads(done.stdout)["problems"]
    return found


ITEM = "  - {{partition: {{idType: {kind}, id: {id}}}, destination: {to}, source: {source}}}\n"


def item(kind: str = "part-label", id: str = "empty", to: str = "/a", source: str = "file"
         ) -> str:  # fmt: skip
    return ITEM.format(kind=kind, id=id, to=to, source=source)


def test_mistakes_of_the_file_come_together(here: Here, disk: Path) -> None:
    text = (
        "injectFiles:\n"
        + item(kind="by-luck")
        + item(to="EFI/x")
        + "  - {source: file, destination: /c}\n"
    )
    found = refused(here, disk, text)
    assert sorted({each["code"] for each in found}) == [
        "config.path-relative",
        "config.required",
        "config.unknown-value",
    ]


def test_files_that_are_not_there_and_places_that_are_named_twice(here: Here, disk: Path) -> None:
    text = "injectFiles:\n" + item(source="gone") + item(to="/b") + item(to="/b")
    found = refused(here, disk, text)
    assert [each["code"] for each in found].count("config.file-missing") == 1
    assert [each["code"] for each in found].count("config.duplicate") == 2


def test_partitions_that_cannot_be_are_told_with_their_places(here: Here, disk: Path) -> None:
    text = (
        "injectFiles:\n" + item(id="twice") + item(id="none", to="/b") + item(to="/c")
        + item(kind="part-uuid", id="00000000-0000-0000-0000-00000000000f", to="/d")
    )  # fmt: skip
    found = refused(here, disk, text)
    assert {each["code"] for each in found} == {"inject.partition"}
    told = " ".join(each["what"] for each in found)
    assert len(found) == 4 and "several partitions" in told and "nothing that is known" in told


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--output-image-format", "tar"), "inject.format"),
        (("--output-image-format", "raw", "--cosi-compression-level", "3"), "inject.level"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    here: Here, disk: Path, more: tuple[str, ...], code: str
) -> None:
    assert code in [each["code"] for each in refused(here, disk, "injectFiles: []\n", *more)]


def test_a_file_without_files_is_told(here: Here, disk: Path) -> None:
    found = refused(here, disk, "previewFeatures: [inject-files]\n")
    assert [each["code"] for each in found] == ["inject.nothing"]
