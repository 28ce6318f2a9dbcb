"""The comparisons that need nothing but Dockyard: each gives its figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Aim, Figure, Sample, compare, step_medians
from benchmarks.inputs import Inputs
from benchmarks.measure import Done

ADDED_PACKAGE = "tree"


@dataclass
class Cold:
    """Cold builds as they came, for all that compares with them."""

    samples: list[Sample] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def build(self, inputs: Inputs) -> Sample:
        """Build from packages that are there into a store without results."""
        done = inputs.build(inputs.cold_store())
        self.samples.append(done.sample)
        self.steps.append(seconds_of_steps(done))
        return done.sample

    @property
    def step_medians(self) -> dict[str, float]:
        return step_medians(self.steps)


def unchanged(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """Nothing changed since the last build, against an interpreter that does nothing."""
    inputs.build(inputs.store)
    ours, other = [], []
    for _ in range(runs):
        ours.append(inputs.build(inputs.store).sample)
        other.append(inputs.python("-c", "pass").sample)
    yield from compare("unchanged build", "python -c pass", ours, other, wall=Aim(0.2))


def one_file(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """One file of the image changed, against mkfs alone of the image that comes out."""
    ours, other = [], []
    kept = inputs.results()
    changed = inputs.image.parent / "files/motd"
    plain = changed.read_text()
    scratch = inputs.root / "mkfs"
    for number in range(runs):
        changed.write_text(f"{plain}Number {number}.\n")
        ours.append(inputs.build(inputs.store).sample)
        other.append(told(inputs.floor("mkfs", *map(str, (inputs.image, inputs.store, scratch)))))
        inputs.remove(scratch)
        inputs.forget(kept)
    changed.write_text(plain)
    aim = Aim(1.4, times_other=True)
    yield from compare("one changed file", "mkfs of the result", ours, other, wall=aim, cpu=aim)


def one_package(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """One package more, its lock made before; and the same with the making of the lock."""
    ours, both = [], []
    kept = inputs.results()
    for _ in range(runs):
        inputs.ask_for([ADDED_PACKAGE])
        locked = inputs.lock().sample
        built = inputs.build(inputs.store).sample
        ours.append(built)
        both.append(Sample(locked.wall + built.wall, locked.cpu + built.cpu))
        inputs.forget(kept)
        inputs.ask_for([])
        inputs.lock()
    yield from compare(f"one added package ({ADDED_PACKAGE})", "", ours)
    yield from compare("the same, lock included", "", both, wall=Aim(2.5))


def cold(inputs: Inputs, runs: int, builds: Cold) -> Iterator[Figure]:
    """A build from packages alone, against unpacking them and mkfs."""
    ours, other = [], []
    scratch = inputs.root / "floor"
    for _ in range(runs):
        ours.append(builds.build(inputs))
        other.append(told(inputs.floor("unpack", *map(str, (inputs.image, inputs.store, scratch)))))
        inputs.remove(scratch)
    aim = Aim(1.6, times_other=True)
    yield from compare("cold build", "unpacking + mkfs", ours, other, wall=aim, cpu=aim)


def second(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """A first build of another image, of the same packages but a few, in a store that has built the
    one; against unpacking the packages and mkfs.
    """
    ours, other = [], []
    scratch = inputs.root / "floor"
    for _ in range(runs):
        ours.append(second_build(inputs))
        other.append(told(inputs.floor("unpack", *map(str, (inputs.image, inputs.store, scratch)))))
        inputs.remove(scratch)
    aim = Aim(1.0, times_other=True)
    yield from compare("second image", "unpacking + mkfs", ours, other, wall=aim, cpu=aim)


def second_build(inputs: Inputs) -> Sample:
    """One first build of the other image."""
    kept = inputs.results()
    with inputs.other_image() as image:
        built = inputs.build(inputs.store, image=image).sample
    inputs.forget(kept)
    return built


def matrix(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """All images of a matrix, against one of them; both into a store without results."""
    ours, other = [], []
    with inputs.example("matrix") as image:
        for _ in range(runs):
            ours.append(_images_of(inputs, image))
            other.append(_images_of(inputs, image, "--variant", "ext4-raw-plain"))
    aim = Aim(2.0, times_other=True)
    yield from compare("twelve images of a matrix", "one of them", ours, other, wall=aim)


def _images_of(inputs: Inputs, image: Path, *options: str) -> Sample:
    store = str(inputs.cold_store())
    words = ("build", str(image), *options, "--store", store, "--progress", "quiet")
    sample = inputs.dockyard(*words).sample
    inputs.remove(inputs.root / "build")
    return sample


def seconds_of_steps(done: Done) -> dict[str, float]:
    """Wall seconds of a build's steps, by their kind."""
    found: dict[str, float] = {}
    for line in done.stderr.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "StepFinished":
            kind = event["step"].rpartition("-")[0]
            found[kind] = found.get(kind, 0.0) + float(event["seconds"])
    return found


def told(done: Done) -> Sample:
    """The times that a program of `benchmarks.floor` measured itself."""
    try:
        return Sample(**json.loads(done.stdout))
    except (ValueError, TypeError):
        sys.exit(f"benchmarks: the floor answered {done.stdout!r}")
