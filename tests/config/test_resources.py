"""Files that an image file names are judged where it names them, before any of them is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.config import check_files, load_image
from dockyard.errors import Position, Problem


def judged(folder: Path, text: str) -> list[Problem]:
    image = folder / "image.yaml"
    image.write_text(text)
    return check_files(load_image(image))


@pytest.mark.parametrize("part", ["os", "iso", "pxe"])
def test_what_is_no_file_with_an_end_is_a_mistake(tmp_path: Path, part: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/proc/kmsg")
    (tmp_path / "file").touch()
    named = ("/proc/kmsg", "link", "fifo", "/dev/zero", "file")
    lines = [f"  - {{source: {each}, destination: /{at}}}" for at, each in enumerate(named)]
    problems = judged(tmp_path, "\n".join([f"{part}:", "  additionalFiles:", *lines]))
    assert {problem.code for problem in problems} == {"config.file-unusable"}
    places = [each.where.line for each in problems if isinstance(each.where, Position)]
    assert places == [3, 4, 5, 6]
    assert [problem.why.split(";")[0] for problem in problems] == [
        "the kernel makes it up when it is read",
        "the kernel makes it up when it is read",
        "it is a FIFO",
        "it is a device",
    ]


def test_a_disk_may_be_larger_than_what_is_put_into_an_image(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 << 30)
    text = (
        "input: {image: {path: large}}\nos: {additionalFiles: [{source: large, destination: /a}]}"
    )
    (problem,) = judged(tmp_path, text)
    assert isinstance(problem.where, Position)
    assert (problem.where.line, problem.code) == (2, "config.file-unusable")
