"""A disk is booted without a boot loader: its kernel, initrd and command line are given to QEMU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run_dockyard
from test_live_images import image_file

from dockyard.disk.pe import Program
from features import Way, covers

ARTIFACTS = "output: {artifacts: {items: [ukis], path: ./out}}\n"
# What `dockyard boot` has no option for. What QEMU is to read besides the disk is shared with it.
BY_KERNEL = """
import sys
from pathlib import Path
from dockyard.engine.store import default_root
from dockyard.host import namespace
from dockyard.tools.trees import tools_tree
from dockyard.tree.check import Check
from dockyard.vm import launch
from dockyard.vm.devices import SharedDirectory
from dockyard.vm.guest import ask
from dockyard.vm.qemu import Machine, command
place = Path(sys.argv[1])
words = (place / "cmdline").read_text()
given = ["-kernel", str(place / "linux"), "-initrd", str(place / "initrd"), "-append", words]
launch.command = lambda *args, **named: [*command(*args, **named), *given]
namespace.enter()
checks = [Check("name", "its name", "hostname", "minimal"),
          Check("words", "its command line", "cat /proc/cmdline", words),
          Check("loader", "no loader", "test -e /sys/firmware/efi || echo none", "none")]
shares = (SharedDirectory(place, "boot", read_only=True),)
verdict = ask(place / "image.raw", "raw", checks, tools_tree(default_root()).main,
              console=place / "console", machine=Machine(bios=True, shares=shares), timeout=600)
assert verdict.passed, verdict
"""


@covers(way=Way.KERNEL)
@pytest.mark.boot
@pytest.mark.long
def test_a_disk_boots_by_the_parts_of_its_uki(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "image.raw"
    file = image_file(tmp_path, ARTIFACTS)
    run_dockyard("build", file, "--output-image-file", out, "--progress", "quiet")
    (uki,) = (tmp_path / "out/ukis").glob("*.efi")
    program = Program(uki.read_bytes(), uki.name)
    for name in ("linux", "initrd", "cmdline"):
        content = program.exact(f".{name}")
        assert content is not None
        (tmp_path / name).write_bytes(content.rstrip(b"\0\n") if name == "cmdline" else content)
    subprocess.run([sys.executable, "-c", BY_KERNEL, tmp_path], check=True)
