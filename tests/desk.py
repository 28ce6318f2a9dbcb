"""An image file with packages that a test makes, and a store: what it takes to plan an image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dockyard.config import load_image
from dockyard.distro.header import read_header
from dockyard.engine.plan import in_order
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.host import seal
from dockyard.packages.access import Access
from dockyard.packages.image_lock import lock_image
from dockyard.packages.origins import Origins
from dockyard.pipeline.build import PlannedImage, plan_image
from dockyard.tools.trees import load_tools_lock

sys.path.append(str(Path(__file__).parent / "packages"))
from rpm_repositories import add_rpm, index

DISTRO = """\
name: small
title: Small
version: "9"
architecture: x86_64
epoch: 1700000000
repositories:
  - {id: base, baseurl: rpms, gpgcheck: false}
"""
IMAGE = """\
name: web
distro: distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, type: root, size: 1G}
        - {id: swap, type: swap, size: 64M}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os:
  bootloader: {resetType: hard-reset}
  hostname: web
  packages: {install: [kernel, bash]}
  additionalFiles:
    - {destination: /etc/motd, content: hello}
"""


class Desk:
    """A directory with an image file, packages, and a store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "store")
        self.file = root / "image.yaml"
        (root / "distro.yaml").write_text(DISTRO)
        self.write(IMAGE)
        add_rpm(root / "rpms", "kernel", path="/usr/lib/modules/6.1/vmlinuz")
        add_rpm(root / "rpms", "bash", path="/usr/bin/bash")
        self.lock()

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def lock(self) -> None:
        index(self.root / "rpms")
        distro = read_header(self.root)
        pins = load_tools_lock().packages
        lock_image(
            load_image(self.file),
            distro.distro,
            distro.directory,
            self.store.root,
            Access.of_store(self.store.root),
            Origins(),
            tools=lambda _: pins,
        )

    def plan(self, output_format: str | None = None) -> PlannedImage:
        return plan_image(load_image(self.file), self.store, Origins(), output_format)

    def pretend(
        self, planned: PlannedImage, files: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Let the store have a result of each step of a plan, and the plan's record. files: what is
        in the results, by step and path.
        """
        for step in in_order((*planned.steps.goals, planned.steps.expected)):
            contents = {each.name: self._content(each) for each in step.inputs}
            place = self.store.place(step.key(contents))
            if not place.is_dir():
                place.mkdir()
                (place / "result").write_text(place.name)
                for path, text in (files or {}).get(step.name, {}).items():
                    (place / path).parent.mkdir(parents=True, exist_ok=True)
                    (place / path).write_text(text)
                seal.write(place)
            self.store.note_answer(step, place.name)
        self.store.keep_record(planned.record_name, planned.plan.record)

    def _content(self, step: Step) -> str:
        key = self.store.answer(step)
        assert key is not None
        content = self.store.content(key)
        assert content is not None
        return content
