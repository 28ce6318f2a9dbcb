"""The comparisons with mkosi; see benchmarks.mkosi for how it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import Cold, second_build
from benchmarks.figures import Aim, Figure, Sample, compare
from benchmarks.inputs import Inputs
from dockyard.packages import lockfile

_AIM = Aim(0.2, times_other=True)


def against_mkosi(inputs: Inputs, runs: int, builds: Cold, directory: Path) -> Iterator[Figure]:
    """Cold build against `mkosi -f` with its packages cached; unchanged against `--incremental`."""
    _prepare(inputs, directory)
    ours, other = [], []
    for _ in range(runs):
        ours.append(builds.build(inputs))
        other.append(_mkosi(inputs, directory, "-f", "--cache-only=always"))
    builds.notes.append(_sizes(inputs.image, inputs.output, directory))
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


def debian_against_mkosi(
    inputs: Inputs, runs: int, builds: Cold, directory: Path
) -> Iterator[Figure]:
    """The same for a Debian image of the very packages that the lock of the example names."""
    with inputs.example("debian-server") as image:
        inputs.build(inputs.store, image=image)  # fetches the packages
        _prepare(inputs, directory, *(pin.name for pin in lockfile.load(_lock(image)).packages))
        ours, other = [], []
        for _ in range(runs):
            ours.append(inputs.build(inputs.cold_store(), image=image).sample)
            other.append(_mkosi(inputs, directory, "-f", "--cache-only=always"))
        builds.notes.append(_sizes(image, inputs.output, directory))
    against = "mkosi -f, packages cached"
    yield from compare("cold build of Debian", against, ours, other, wall=_AIM, cpu=_AIM)


def _prepare(inputs: Inputs, directory: Path, *packages: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    recipe = str(Path(__file__).with_name("mkosi.yaml"))
    inputs.python("-m", "benchmarks.mkosi", "prepare", str(directory), recipe, *packages)
    _mkosi(inputs, directory, "-f")  # fills the cache of packages


def _mkosi(inputs: Inputs, directory: Path, *options: str) -> Sample:
    words = ("run", str(directory), "mkosi", *options, "build")
    return inputs.python("-m", "benchmarks.mkosi", *words).sample


def _lock(image: Path) -> Path:
    return image.with_suffix(".lock")


def _sizes(image: Path, ours: Path, directory: Path) -> str:
    """How much alike the two images are."""
    output = directory / "work/output"
    manifest = json.loads((output / "server.manifest").read_text())
    told = []
    for count, disk in (
        (len(lockfile.load(_lock(image)).packages), ours),
        (len(manifest["packages"]), output / "server.raw"),
    ):
        told.append(f"{count} packages, {disk.stat().st_blocks >> 11} MiB written")
    return f"The image of ours, {image.parent.name}: {told[0]}. That of mkosi: {told[1]}."
