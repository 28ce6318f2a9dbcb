"""A package that is made anew with the content that it had changes no image: no lock, no plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_distro import Small

from dockyard.config import load_image
from dockyard.distro.header import read_header
from dockyard.engine.plan import in_order
from dockyard.engine.store import default_root
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.packages.access import Access
from dockyard.packages.image_lock import lock_image
from dockyard.packages.origins import Origins
from dockyard.pipeline.from_packages import read_request
from dockyard.pipeline.image import image_steps
from dockyard.tools.trees import load_tools_lock
from stores import share

pytestmark = pytest.mark.build

IMAGE = """\
name: web
distro: small/distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, type: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os:
  bootloader: {resetType: hard-reset}
  packages: {install: [kernel, tool]}
"""


def _locked_and_planned(small: Small, image: Path) -> tuple[str, list[str]]:
    """The lock of an image of the distribution, and the ids of the steps that make it."""
    header, root = read_header(small.place), small.store().root
    lock_image(
        load_image(image),
        header.distro,
        header.directory,
        root,
        Access.of_store(root),
        Origins(),
        tools=lambda _: load_tools_lock().packages,
    )
    steps = image_steps(read_request(load_image(image), root, Origins()))
    return image.with_suffix(".lock").read_text(), [each.id for each in in_order(steps.goals)]


def test_what_comes_out_as_it_was_changes_no_image(tools: Tools, tmp_path: Path) -> None:
    share(tmp_path / "store", default_root())
    small = Small.make(tmp_path)
    small.deb("kernel", path="usr/lib/modules/6.1/vmlinuz")
    small.components("components: {tool: {requiresPre: [base]}, library: , kernel: }\n")
    image = tmp_path / "web.yaml"
    image.write_text(IMAGE)
    first = small.build()
    before = _locked_and_planned(small, image)

    # Everything is made anew and signed by another.
    for name in ("results", "answers"):
        remove_tree(small.store().root / name)
    share(tmp_path / "store", default_root())
    remove_tree(small.keys())
    second = small.build()
    assert second.made == 4 and second.fingerprint != first.fingerprint
    assert _locked_and_planned(small, image) == before

    # Packages are made of a declaration that changes nothing in them.
    plain = _locked_and_planned(small, image)
    declared = small.place / "distro.yaml"
    declared.write_text(f"{declared.read_text()}drop: [/usr/share/gone]\n")
    third = small.build()
    assert (third.made, third.changed) == (4, False)
    assert _locked_and_planned(small, image) == plain

    # One that changes something does.
    small.components("components: {tool: {summary: New}, library: , kernel: }\n")
    assert small.build().changed
    after = _locked_and_planned(small, image)
    assert after[0] != before[0] and after[1] != before[1]
