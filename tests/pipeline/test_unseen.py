"""What lies beside an image file and is none of its scripts' business does not shape them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.config import check_files, load_image
from dockyard.errors import DockyardError
from dockyard.model.input import InputImage
from dockyard.pipeline.request import read_settings
from dockyard.pipeline.together import Together
from dockyard.pipeline.unseen import unseen_by_scripts
from dockyard.tree.settings import scripts_of

CONFIG = """\
input: {image: {path: base.raw}}
scripts: {postCustomization: [{path: go.sh}]}
"""


def test_scripts_see_neither_images_nor_the_log_of_the_run(tmp_path: Path) -> None:
    for name in ("config.lock", "base.raw", "other.raw", "made.raw", "go.sh", "data"):
        (tmp_path / name).write_text("x")
    (tmp_path / "config.yaml").write_text(CONFIG)
    loaded = load_image(tmp_path / "config.yaml")

    def seen(given: InputImage | None = None) -> set[str]:
        unseen = unseen_by_scripts(loaded, {tmp_path / "made.raw"}, given)
        [script] = scripts_of(loaded, "postCustomization", unseen)
        return {path for path, *_ in script.beside}

    with (tmp_path / "run.log").open("w"), (tmp_path / "read").open("w+"):
        assert seen() == {"go.sh", "data", "other.raw"}
        assert seen(InputImage(path="other.raw")) == {"go.sh", "data", "base.raw"}
    assert seen() == {"go.sh", "data", "other.raw", "run.log", "read"}


def test_a_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        CONFIG + "os:\n"
        "  additionalFiles: [{source: gone, destination: /etc/a}]\n"
        "  additionalDirs: [{source: nowhere, destination: /etc/b}]\n"
        "  users: [{name: a, sshPublicKeyPaths: [no.pub]}]\n"
    )
    loaded = load_image(tmp_path / "config.yaml")
    for checked, code in ((True, "config.file-missing"), (False, "tree.source-missing")):
        together = Together()
        together.extend(check_files(loaded) if checked else ())
        assert read_settings(loaded, (), together) is None
        with pytest.raises(DockyardError) as caught:
            together.raise_any()
        assert {problem.code for problem in caught.value.problems} == {code}
        assert len(caught.value.problems) == (5 if checked else 4)  # the image is no setting
