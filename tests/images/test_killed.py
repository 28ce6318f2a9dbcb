"""A build that is killed at any moment and begun again ends with the same image."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard

KILLS = 50


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def results(store: Path) -> list[Path]:
    return sorted(path for path in (store / "results").iterdir())


@pytest.mark.build
def test_fifty_kills(fresh_store: Callable[[str], Path], tmp_path: Path) -> None:
    image = EXAMPLES / "minimal/image.yaml"
    expected = tmp_path / "expected.raw"
    began = time.monotonic()
    run_dockyard("build", image, "--output-image-file", expected, "--store", fresh_store("whole"))
    cold = time.monotonic() - began

    store, out = fresh_store("killed"), tmp_path / "killed.raw"
    command = [sys.executable, "-c", CODE, "build", str(image), "--progress", "quiet"]
    command += ["--output-image-file", str(out), "--store", str(store)]
    chance = random.Random(1)
    kills = finished = 0
    while kills < KILLS:
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
        discard(store)
    run_dockyard("build", image, "--output-image-file", out, "--store", store)
    assert digest(out) == digest(expected)
    assert list((store / "work").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    print(f"{kills} kills, {finished} builds came through between them")


def discard(store: Path) -> None:
    """Forget all results, as the next build is to be a cold one again."""
    code = "from dockyard.host import files, namespace; import sys, pathlib\nnamespace.enter()\n"
    code += "for path in pathlib.Path(sys.argv[1]).iterdir(): files.remove_tree(path)"
    subprocess.run([sys.executable, "-c", code, store / "results"], check=True)
    shutil.rmtree(store / "records")
