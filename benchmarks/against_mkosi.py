"""The comparisons with mkosi; see benchmarks.mkosi for how it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import Cold, second_build
from benchmarks.figures import Aim, Figure, Sample, compare
from benchmarks.inputs import Inputs

_AIM = Aim(0.2, times_other=True)


def against_mkosi(inputs: Inputs, runs: int, builds: Cold, directory: Path) -> Iterator[Figure]:
    """Cold build against `mkosi -f` with its packages cached; unchanged against `--incremental`."""
    directory.mkdir(parents=True, exist_ok=True)
    recipe = str(Path(__file__).with_name("mkosi.yaml"))
    inputs.python("-m", "benchmarks.mkosi", "prepare", str(directory), recipe)
    _mkosi(inputs, directory, "-f")  # fills the cache of packages
    ours, other = [], []
    for _ in range(runs):
        ours.append(builds.build(inputs))
        other.append(_mkosi(inputs, directory, "-f", "--cache-only=always"))
    builds.notes.append(_sizes(inputs, directory / "work/output"))
    yield from compare("cold build", "mkosi -f, packages cached", ours, other, wall=_AIM, cpu=_AIM)
    _mkosi(inputs, directory, "-f", "--cache-only=always", "--incremental=yes")
    inputs.build(inputs.store)
    cold, again, ours, other = [], [], [], []
    for _ in range(runs):
        ours.append(inputs.build(inputs.store).sample)
        other.append(_mkosi(inputs, directory, "-f", "--cache-only=always", "--incremental=yes"))
        cold.append(builds.build(inputs))
        again.append(second_build(inputs))
    against = "mkosi -f --incremental, unchanged"
    yield from compare("unchanged build", against, ours, other, wall=_AIM, cpu=_AIM)
    yield from compare("cold build", against, cold, other)
    yield from compare("second image", against, again, other, wall=_AIM, cpu=_AIM)


def _mkosi(inputs: Inputs, directory: Path, *options: str) -> Sample:
    words = ("run", str(directory), "mkosi", *options, "build")
    return inputs.python("-m", "benchmarks.mkosi", *words).sample


def _sizes(inputs: Inputs, output: Path) -> str:
    """How much alike the two images are."""
    lock = json.loads((inputs.image.parent / "image.lock").read_text())
    manifest = json.loads((output / "server.manifest").read_text())
    ours, theirs = (
        f"{len(packages)} packages, {image.stat().st_blocks >> 11} MiB written"
        for packages, image in (
            (lock["packages"], inputs.output),
            (manifest["packages"], output / "server.raw"),
        )
    )
    return f"The image of ours: {ours}. That of mkosi: {theirs}."
