"""Every how-to is done to the letter, in order, in a copy of what it works on, against Harbor.

Booting is left to the tests of booting: lines that boot are parsed by the tests of snippets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks

from stores import share

sys.path.append(str(ROOT / "tests/packages"))
from rpm_repositories import add_rpm

PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))


def script(page: Path) -> list[str]:
    """What a reader of a page types, without what is not for tests; empty when that is nothing."""
    return [line for block in blocks(page) for line in _lines(block)]


def _lines(block: Block) -> Iterator[str]:
    if block.language != "sh" or block.marked("not run") is not None:
        return
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("dockyard boot"):
            yield line


def start(place: Path, *, own_package: bool) -> None:
    """A checkout as a reader has it, with an image file of the reader's own, under version
    control.
    """
    for name in ("distros", "examples"):
        shutil.copytree(ROOT / name, place / name)
    image = (ROOT / "examples/minimal/image.yaml").read_text()
    image = image.replace("name: minimal", "name: web").replace("../../distros", "distros")
    if own_package:
        image = image.replace("      - e2fsprogs\n", "      - e2fsprogs\n      - hello\n")
        assert "- hello" in image
    (place / "web.yaml").write_text(image)
    (place / "rpms").mkdir()
    add_rpm(place / "rpms", "hello", "1", path="/usr/share/hello")
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)


def own_store(published: Path, place: Path) -> Path:
    """A store whose repositories can be changed; results, downloads and tools are shared."""
    store = place / "store"
    store.mkdir()
    for shared in ("blobs", "results", "answers"):
        (store / shared).symlink_to(published / shared)
    shutil.copytree(published / "repositories", store / "repositories", symlinks=True)
    return store


def store_for(page: Path, published: Path, place: Path) -> Path:
    """The store that the reader of a page has."""
    if page.stem == "keep-the-store":  # it removes what is not used
        return share(place / "store", published, "blobs", "repositories")
    changes = any("components in" in block.mark for block in blocks(page))
    return own_store(published, place) if changes else published


def test_some_how_tos_have_commands() -> None:
    assert len([page for page in PAGES if script(page)]) >= 6


@pytest.mark.build
@pytest.mark.parametrize("page", [page for page in PAGES if script(page)], ids=lambda p: p.stem)
def test_a_how_to_works(page: Path, published: Path, tmp_path: Path) -> None:
    place = tmp_path / "checkout"
    place.mkdir()
    start(place, own_package=page.stem == "add-own-rpms")
    for block in blocks(page):
        if (kind := block.marked("distro")) and kind.startswith("components in "):
            with (place / kind.removeprefix("components in ")).open("a") as file:
                file.write(block.text.removeprefix("components:\n"))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOCKYARD_STORE": str(store_for(page, published, tmp_path)),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "GIT_AUTHOR_NAME": "Reader",
        "GIT_AUTHOR_EMAIL": "reader@example.com",
        "GIT_COMMITTER_NAME": "Reader",
        "GIT_COMMITTER_EMAIL": "reader@example.com",
    }
    done = subprocess.run(
        ["/bin/sh", "-eux", "-c", "\n".join(script(page))],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
