"""An image that exists is customized: two packages, a user and a file more, against `qemu-img
convert` of the same image.

The image is that of the other comparisons with containerd, podman and git besides, some 500 MB of
files; with ext4 and with xfs, raw and qcow2. Each is new to the store: nothing of it was read
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import told
from benchmarks.figures import Aim, Figure, Sample, compare
from benchmarks.inputs import Inputs

LARGE = ("containerd", "podman", "git")
"""What the image has besides, to be as large as an image that a team customizes."""
_FILE_SYSTEMS = ("ext4", "xfs")
_FORMATS = ("raw", "qcow2")
_CONFIG = """\
os:
  packages: {install: [tree, nano]}
  users: [{name: ops}]
  additionalFiles: [{content: "kept by the platform team\\n", destination: /etc/notice}]
"""


def customizing(inputs: Inputs, runs: int) -> Iterator[Figure]:
    """A customization of an image that the store does not know yet."""
    place = inputs.root / "customizing"
    place.mkdir()
    config = place / "config.yaml"
    config.write_text(_CONFIG)
    for file_system in _FILE_SYSTEMS:
        for name in _FORMATS:
            image = large_image(inputs, place / f"input.{name}", file_system)
            ours, other = [], []
            for _ in range(runs):
                ours.append(_customize(inputs, config, image, place))
                words = ("convert", str(inputs.store), str(image), name, str(place / "converted"))
                other.append(told(inputs.floor(*words)))
            image.unlink()
            what, against = f"customize, {file_system}, {name}", f"qemu-img convert to {name}"
            yield from compare(what, against, ours, other, wall=Aim(3.0, times_other=True))
    inputs.remove(place)


def large_image(inputs: Inputs, image: Path, file_system: str) -> Path:
    """The image to customize, in the format of its name, made by a build that is not measured."""
    with inputs.changed(LARGE, file_system) as described:
        words = ["--output-image-file", str(image), "--output-image-format", image.suffix[1:]]
        words += ["--store", str(inputs.store), "--progress", "quiet"]
        inputs.dockyard("build", str(described), *words)
    return image


def _customize(inputs: Inputs, config: Path, image: Path, place: Path) -> Sample:
    out = place / f"output{image.suffix}"
    words = ["--config-file", str(config), "--image-file", str(image)]
    words += ["--output-image-file", str(out), "--output-image-format", image.suffix[1:]]
    words += ["--rpm-source", str(inputs.repository), "--disable-base-image-rpm-repos"]
    words += ["--store", str(inputs.cold_store()), "--progress", "quiet"]
    sample = inputs.dockyard("customize", *words).sample
    out.unlink()
    return sample
