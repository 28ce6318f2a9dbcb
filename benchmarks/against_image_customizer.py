"""The comparison with Image Customizer: a user and a file more, in the same image.

It customizes images of a few distributions only, so that the image of the other comparisons says of
itself that it is Azure Linux 3.0. Packages are left out: it takes them by the package manager of
that distribution, which this image has not. It needs root, loop devices with partitions, udev, and
a kernel that mounts FAT.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.customizing import large_image
from benchmarks.figures import Aim, Figure, Sample, compare
from benchmarks.inputs import Inputs

_AIM = Aim(0.2, times_other=True)
_FILE_SYSTEMS = ("ext4", "xfs")
_DISGUISE = r"""
os:
  imageHistory: none
  additionalFiles:
    - {destination: /usr/lib/os-release, content: "ID=azurelinux\nNAME=x\nVERSION_ID=\"3.0\"\n"}
    - {destination: /etc/selinux/config, content: "SELINUX=disabled\n"}
"""
_CONFIG = r"""
previewFeatures: [uki]
os:
  uki: {mode: passthrough}
  users: [{name: ops}]
  additionalFiles: [{content: "kept by the platform team\n", destination: /etc/notice}]
"""


def against_image_customizer(inputs: Inputs, runs: int, program: Path) -> Iterator[Figure]:
    """`dockyard customize` against the program, with the same file and the same image, raw. Each
    time the image is new to the store.
    """
    place = inputs.root / "image-customizer"
    place.mkdir()
    config, out = place / "config.yaml", place / "output.raw"
    config.write_text(_CONFIG)
    for file_system in _FILE_SYSTEMS:
        image = _disguised(inputs, place, file_system)
        words = ["customize", "--config-file", str(config), "--image-file", str(image)]
        words += ["--output-image-file", str(out), "--output-image-format", "raw"]
        ours, other = [], []
        for _ in range(runs):
            store = ("--store", str(inputs.cold_store()), "--progress", "quiet")
            ours.append(inputs.dockyard(*words, *store).sample)
            out.unlink()
            other.append(_theirs(program, place, words))
            out.unlink()
        image.unlink()
        what, against = f"customize, {file_system}, no packages", "Image Customizer"
        yield from compare(what, against, ours, other, wall=_AIM, cpu=_AIM)
    inputs.remove(place)


def _disguised(inputs: Inputs, place: Path, file_system: str) -> Path:
    plain, image, config = (place / name for name in ("plain.raw", "input.raw", "disguise.yaml"))
    large_image(inputs, plain, file_system)
    config.write_text(_DISGUISE)
    words = ["--config-file", str(config), "--image-file", str(plain)]
    words += ["--output-image-file", str(image), "--store", str(inputs.store)]
    inputs.dockyard("customize", *words, "--progress", "quiet")
    plain.unlink()
    return image


def _theirs(program: Path, place: Path, words: list[str]) -> Sample:
    given = [*words, "--build-dir", str(place / "build"), "--disable-telemetry"]
    return measure.command([str(program), *given], env=os.environ, cwd=place).sample
