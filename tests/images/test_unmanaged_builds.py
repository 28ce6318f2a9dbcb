"""An image that is made of packages, and has no package manager when it is done."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from command_line import ROOT, run_dockyard

from features import covers

IMAGE = f"""\
name: bare
distro: {ROOT}/distros/harbor/distro.yaml
os:
  packages:
    install: [harbor-core, rpm]
    update: [rpm]
    updateExistingPackages: true
    removePackageManager: true
scripts:
  postCustomization:
    - content: |
        #!/bin/sh
        rpm -q rpm > /etc/said
output: {{image: {{format: tar}}}}
"""


@covers("os.packages.removePackageManager")
@pytest.mark.build
def test_scripts_still_have_it_and_the_image_has_not(published: Path, tmp_path: Path) -> None:
    image, out = tmp_path / "image.yaml", tmp_path / "out.tar"
    image.write_text(IMAGE)
    run_dockyard("lock", image, "--progress", "quiet")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    with tarfile.open(out) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
        said = archive.extractfile("etc/said")
        assert said and said.read().startswith(b"rpm-")
    assert "usr/bin/bash" in names and "usr/bin/rpm" not in names
    assert not {name for name in names if name.startswith(("var/lib/rpm", "usr/lib/sysimage/rpm"))}
    image.write_text(IMAGE.replace("update: [rpm]", "update: [rpm, tree]"))
    said_now = run_dockyard("build", image, check=False).stderr
    assert "build.nothing-to-update" in said_now and "image.yaml:6:" in said_now
    cosi = run_dockyard("build", image, "--output-image-format", "cosi", check=False).stderr
    assert "cannot be combined with the format cosi" in cosi
