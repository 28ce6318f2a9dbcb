"""A build that is killed at any moment and begun again ends with the same image."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, fresh_store, run_dockyard


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def results(store: Path) -> list[Path]:
    return sorted(path for path in (store / "results").iterdir())


@pytest.fixture
def quick_place(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is room: a disk is slow at what was just deleted there."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < 6 << 30:
        yield tmp_path
        return
    place = Path(tempfile.mkdtemp(prefix="dockyard-killed-", dir=memory))
    yield place
    discard(place)
    place.rmdir()


@pytest.mark.build
@pytest.mark.parametrize(
    "wanted", [5, pytest.param(50, marks=pytest.mark.long)], ids="{} kills".format
)
def test_kills(wanted: int, published: Path, quick_place: Path) -> None:
    tmp_path = quick_place
    image = EXAMPLES / "minimal/image.yaml"
    expected = tmp_path / "expected.raw"
    began = time.monotonic()
    run_dockyard(
        "build",
        image,
        "--output-image-file",
        expected,
        "--store",
        fresh_store(published, tmp_path, "whole"),
    )
    cold = time.monotonic() - began

    store, out = fresh_store(published, tmp_path, "killed"), tmp_path / "killed.raw"
    command = [sys.executable, "-c", CODE, "build", str(image), "--progress", "quiet"]
    command += ["--output-image-file", str(out), "--store", str(store)]
    chance = random.Random(1)
    kills = finished = 0
    while kills < wanted:
        build = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL)
        try:
            assert build.wait(chance.uniform(0.1, cold)) == 0
        except subprocess.TimeoutExpired:
            build.send_signal(signal.SIGKILL)
            build.wait()
            kills += 1
            assert all((path / ".step.json").is_file() for path in results(store))
            continue
        finished += 1
        assert digest(out) == digest(expected)
        out.unlink()
        discard(store / "results")
        shutil.rmtree(store / "records")
    run_dockyard("build", image, "--output-image-file", out, "--store", store)
    assert digest(out) == digest(expected)
    assert list((store / "work").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    assert [path.name for path in (store / "records").iterdir() if path.name[0] == "."] == []
    print(f"{kills} kills, {finished} builds came through between them")


def discard(directory: Path) -> None:
    """Remove a directory's content; what builds leave there belongs to many ids."""
    code = "from dockyard.host import namespace, removal; import sys, pathlib\n"
    code += "namespace.enter()\n"
    code += "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
    code += "    if not path.is_symlink():\n"  # shared with another store
    code += "        path.unlink() if path.is_file() else removal.remove_tree(path)"
    subprocess.run([sys.executable, "-c", code, directory], check=True)
