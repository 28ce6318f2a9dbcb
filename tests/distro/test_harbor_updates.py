"""An installed Harbor system gets its updates with dnf: from a repository that the operator names
in one place, checked with the key that the image was given, and from nobody else.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockyard.distro.build import build_distro
from dockyard.distro.keys import signing_key
from dockyard.distro.load import load_distro
from dockyard.engine.store import Store, default_root
from dockyard.host.files import make_root
from dockyard.host.process import Completed
from dockyard.host.sandbox import Tools, run_in_tree
from dockyard.install.finish import finish
from dockyard.install.rpm import install, verify
from dockyard.model import family
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.rpm.repository import open_all
from dockyard.packages.solve import solve
from stores import share

pytestmark = pytest.mark.build

HARBOR = Path(__file__).parents[2] / "distros/harbor"
PACKAGING = family.HARBOR.packaging
KEY = "RPM-GPG-KEY-harbor"
MOUNTED = "/run/harbor"


@dataclass(frozen=True)
class Installed:
    """A tree with dnf in it, and the repository that its packages are from."""

    root: Path
    repository: Path

    def run(self, *words: str, served: Path | None = None, check: bool = True) -> Completed:
        """Run a program of the tree; `served` is the repository that it sees."""
        place = (served or self.repository).resolve()
        env = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin"}
        return run_in_tree(self.root, words, env=env, read=[(place, MOUNTED)], check=check)


@pytest.fixture(scope="module")
def installed(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("harbor")
    built = build_distro(HARBOR, Store(default_root()))
    key = built.path / KEY
    repository = RpmRepository(
        "harbor", (f"file://{built.path}/",), keys=(str(key),), check_metadata=True
    )
    opened = open_all([repository], Access.of_store(place / "store"))
    request = Request(("dnf", "harbor-core", "rpm"))
    pins = solve(request, opened, place / "cache").packages
    root, epoch = place / "root", load_distro(HARBOR).epoch
    make_root(root)
    install([built.path / pin.path for pin in pins], root, tools, epoch, PACKAGING.database)
    finish(root, epoch, PACKAGING)
    trusted = load_distro(HARBOR).distro.trusted_key
    assert trusted is not None
    shutil.copy(key, root / trusted.path[1:])
    os.chown(root / trusted.path[1:], 0, 0)
    # What an image file says with `additionalFiles`.
    (root / "etc/dnf/vars/harbor_mirror").write_text(f"file://{MOUNTED}\n")
    return Installed(root, built.path)


def _newer(place: Path) -> Path:
    """The repository a day later: harbor-release has a new release, and systemd, on whose very
    version other packages depend, a new revision.
    """
    shutil.copytree(HARBOR, place / "harbor")
    declared = place / "harbor/packages/harbor-release.yaml"
    declared.write_text(declared.read_text() + '\nrelease: "2"\n')
    components = place / "harbor/components/system.yaml"
    begin = re.compile(r"^  systemd:\n(    revision: \d+\n)?", re.MULTILINE)
    text, found = begin.subn("  systemd:\n    revision: 700\n", components.read_text())
    assert found == 1
    components.write_text(text)
    kinds = ("tools", "relations", "select", "convert", "own", "sign")
    store = share(place / "store", default_root(), "blobs", kinds=kinds)
    return build_distro(place / "harbor", Store(store)).path


def test_the_repository_and_its_key_are_known(installed: Installed, tools: Tools) -> None:
    listed = installed.run("dnf", "--quiet", "repolist").text
    assert listed.splitlines()[-1].split() == ["harbor", "Harbor", "Linux", "1", "-", "x86_64"]
    owner = installed.run("rpm", "-qf", f"/etc/pki/rpm-gpg/{KEY}").text
    assert owner.startswith("harbor-repos-")
    assert verify(installed.root, tools, PACKAGING.database) == ()


def test_a_package_is_updated_from_the_repository(
    installed: Installed, tools: Tools, tmp_path: Path
) -> None:
    assert installed.run("rpm", "-q", "harbor-release").text == "harbor-release-1-1.noarch\n"
    newer = _newer(tmp_path)
    installed.run("dnf", "--assumeyes", "--refresh", "upgrade", served=newer)
    assert installed.run("rpm", "-q", "harbor-release").text == "harbor-release-1-2.noarch\n"
    assert installed.run("rpm", "-q", "--queryformat=%{release}", "systemd").text.endswith("^700")
    installed.run("dnf", "--assumeyes", "install", "nano", served=newer)
    installed.run("nano", "--version")


def test_what_another_key_signed_is_refused(installed: Installed, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(installed.repository, foreign, copy_function=os.link)
    signature = foreign / "repodata/repomd.xml.asc"
    data = (foreign / "repodata/repomd.xml").read_bytes()
    signature.unlink()
    signature.write_bytes(signing_key("harbor", "Harbor Linux", tmp_path / "keys").detached(data))
    before = installed.run("rpm", "-qa").text
    done = installed.run(
        "dnf", "--assumeyes", "--refresh", "install", "htop", served=foreign, check=False
    )
    assert done.status != 0
    assert "GPG" in done.text + done.stderr.decode()
    assert installed.run("rpm", "-qa").text == before
