"""An image of an RPM distribution that is only a definition: Harbor's packages behind a mirror that
has groups and modules, as those of Enterprise Linux have."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from pathlib import Path

import pysequoia
import pytest
from command_line import run_dockyard

from dockyard.packages.published import key_name

DISTRO = """\
name: mirrored
version: "7"
family: harbor
mirror: http://127.0.0.1:9
epoch: 1767225600
repositories:
  - id: baseos
    baseurl: $mirror/$releasever/BaseOS/$basearch/os/
    mirrorlist: mirrors
    signedBy: [{fingerprint}]
"""
IMAGE = """\
name: web
distro: distro.yaml
os:
  packages:
    modules: [look:1]
    install: ["@base", tree]
    removePackageManager: true
output: {image: {format: tar}}
"""
COMPS = """\
<comps><group><id>base</id><packagelist>
  <packagereq type="mandatory">harbor-core</packagereq>
  <packagereq type="mandatory">rpm</packagereq>
  <packagereq type="optional">wget</packagereq>
</packagelist></group></comps>
"""
MODULES = """\
---
document: modulemd
version: 2
data:
  name: look
  stream: "1"
  artifacts:
    rpms:
    - {nevra}
"""


def mirror_of(repository: Path, root: Path) -> None:
    """A copy of a repository, by links, with groups and modules."""
    shutil.copytree(repository / "repodata", root / "repodata", symlinks=False)
    (root / "Packages").symlink_to(repository / "Packages")
    [tree] = (repository / "Packages").glob("tree-[0-9]*.rpm")
    name, version, rest = tree.stem.rsplit("-", 2)
    texts = {
        "group": COMPS,
        "modules": MODULES.replace("{nevra}", f"{name}-0:{version}-{rest}"),
        "updateinfo": "<updates/>",
    }
    records = ""
    for kind, text in texts.items():
        (root / f"repodata/{kind}.xml").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        records += (
            f'<data type="{kind}"><checksum type="sha256">{digest}</checksum>'
            f'<location href="repodata/{kind}.xml"/></data>'
        )
    repomd = root / "repodata/repomd.xml"
    repomd.write_text(repomd.read_text().replace("</repomd>", f"{records}</repomd>"))


@pytest.mark.build
def test_a_definition_over_a_mirror_makes_an_image(published: Path, tmp_path: Path) -> None:
    harbor = (published / "repositories/harbor").resolve()
    root = tmp_path / "mirror/7/BaseOS/x86_64/os"
    mirror_of(harbor, root)
    key = harbor / key_name("harbor")
    [certificate] = pysequoia.Cert.split_bytes(key.read_bytes())
    definition, image = tmp_path / "distro.yaml", tmp_path / "image.yaml"
    definition.write_text(DISTRO.replace("{fingerprint}", certificate.fingerprint.upper()))
    (tmp_path / "mirrors").write_text(f"http://127.0.0.1:9/gone\n{root.as_uri()}\n")
    image.write_text(IMAGE)

    # The list's first mirror is down; the key is given.
    run_dockyard("lock", image, "--rpm-key", key, "--progress", "quiet")
    lock = (tmp_path / "image.lock").read_text()
    assert certificate.fingerprint.upper() in lock
    assert re.search(r'"name": ?"tree"', lock) and not re.search(r'"name": ?"wget"', lock)

    # A build takes them from the mirror that is named, and asks no list.
    (tmp_path / "mirrors").unlink()
    out = tmp_path / "out.tar"
    given = ("--rpm-mirror", tmp_path / "mirror", "--rpm-key", key)
    run_dockyard("build", image, *given, "--output-image-file", out, "--progress", "quiet")
    with tarfile.open(out) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
        said = archive.extractfile("etc/dnf/modules.d/look.module")
        assert said and b"stream=1\n" in said.read()
    assert "usr/bin/tree" in names and "usr/bin/rpm" not in names

    # rpm of the oldest family could not read what an image of it gets.
    definition.write_text(definition.read_text().replace("harbor", "enterprise-linux-8"))
    run_dockyard("plan", image, *given)
    image.write_text(IMAGE.replace("removePackageManager: true", "removePackageManager: false"))
    refused = run_dockyard("plan", image, *given, check=False).stderr
    assert "build.unread-database" in refused

    # A stream that is not enabled is not there; neither is a key of another fingerprint.
    image.write_text(IMAGE.replace("    modules: [look:1]\n", ""))
    refused = " ".join(run_dockyard("lock", image, *given, check=False).stderr.split())
    assert "name its stream in os.packages.modules" in refused
    assert "is in the module stream look:1, which is not enabled" in refused
    definition.write_text(DISTRO.replace("{fingerprint}", "0" * 40))
    refused = run_dockyard("lock", image, *given, check=False).stderr
    assert "repository.other-key" in refused and "has other keys" in refused
