"""The SELinux policy goes where the command line says, else where the image file does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.errors import DockyardError
from dockyard.pipeline.policy_place import policy_place

TEXT = "output: {selinuxPolicyPath: said}\n"


def test_the_command_line_comes_first(tmp_path: Path) -> None:
    loaded = parse_image(TEXT, str(tmp_path / "image.yaml"))
    given = policy_place(loaded, tmp_path / "given")
    assert given and (given.path, given.where) == (
        tmp_path / "given",
        "--output-selinux-policy-path",
    )
    said = policy_place(loaded, None)
    assert said and (said.path, str(said.where)) == (
        tmp_path / "said",
        f"{tmp_path}/image.yaml:1:29",
    )
    assert policy_place(parse_image("os: {hostname: a}\n"), None) is None


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "said").touch()
    loaded = parse_image(TEXT, str(tmp_path / "image.yaml"))
    with pytest.raises(DockyardError) as caught:
        policy_place(loaded, None)
    assert caught.value.problems[0].code == "build.policy-place"
