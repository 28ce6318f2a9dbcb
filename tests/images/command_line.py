"""Runs the command line as a user does, against the repository's own examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import user_inside
from stores import share

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CODE = "from dockyard.cli.main import main; main()"


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The result in the object that a verb answers with for `--json`."""
        return json.loads(self.stdout)["result"]


def run_dockyard(
    *words: str | Path, env: Mapping[str, str] | None = None, check: bool = True
) -> Ran:
    """Run `dockyard` with these words; the test fails with its output when it does."""
    command: Sequence[str] = [sys.executable, "-c", CODE, *map(str, words)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        user=user_inside(),
    )
    if check and done.returncode:
        pytest.fail(f"dockyard {' '.join(map(str, words))}\n{done.stderr}\n{done.stdout}")
    return Ran(done.returncode, done.stdout, done.stderr)


def fresh_store(published: Path, place: Path, name: str) -> Path:
    """A store that shares tools, downloads and repositories with the published one, not results."""
    return share(place / name, published, "blobs", "repositories")


def result_of(store: Path, image: Path, step: str) -> Path:
    """Where a store has the result of a step of the image as its file is now, by the step's name
    in its plan: images that were built since may have left newer results of the same kind.
    """
    steps = run_dockyard("plan", image, "--store", store, "--json").json["steps"]
    (identity,) = (each["id"] for each in steps if each["name"] == step)
    return store / "results" / (store / "answers" / str(identity)).read_text()
