"""Images that were customized run as their files say: SELinux, btrfs with quotas, live media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard
from test_btrfs_disk import IMAGE as LAYERS

from features import Way, covers

pytestmark = [pytest.mark.boot, pytest.mark.long]
QUIET = ("--progress", "quiet")
NOT_REFUSED = """\
checks:
  - name: nothing was refused
    command: journalctl --boot --quiet --no-pager --output=cat | grep 'avc. *denied' | head -n 20
    output: ""
  - name: nothing is logged as an error
    command: journalctl --boot --priority=err --quiet --no-pager --output=cat | sed '/^rcu:/d'
    output: ""
  - unit: sshd
"""


def example(name: str, place: Path, changes: dict[str, str]) -> Path:
    """An example, changed, built as a raw disk."""
    text = (EXAMPLES / name / "image.yaml").read_text()
    text = text.replace("../../distros", str(ROOT / "distros"))
    text = text.replace("- files/harbour.pub", f"- {EXAMPLES}/selinux/files/harbour.pub")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return built(place, text)


def built(place: Path, text: str) -> Path:
    image, out = place / "base.yaml", place / "base.raw"
    image.write_text(text)
    run_dockyard("lock", image, *QUIET)
    run_dockyard("build", image, "--output-image-file", out, "--output-image-format", "raw", *QUIET)
    return out


def require_booted(text: str, base: Path, out: Path, *words: str | Path) -> list[dict[str, Any]]:
    """Customize the base as a file says, and boot it: every setting holds. Gives the checks."""
    config = base.with_name("config.yaml")
    config.write_text(text)
    packages: tuple[str | Path, ...] = ("--disable-base-image-rpm-repos",)
    given = ("--config-file", config, "--image-file", base, *packages)
    run_dockyard("customize", *given, "--output-image-file", out, *words, *QUIET)
    words = ("--check", "--timeout", "600", "--json")
    told = run_dockyard("boot", out, *given, *words, check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
    checks: list[dict[str, Any]] = told["checks"]
    return checks


@covers("os.selinux", "os.packages, install", "os.users", "os.services")
def test_an_image_that_enforces_is_customized(published: Path, tmp_path: Path) -> None:
    text = f"""\
distro: {ROOT}/distros/harbor
os:
  packages: {{install: [nginx]}}
  users: [{{name: ops, secondaryGroups: [sudo]}}]
  additionalFiles:
    - {{content: "new\\n", destination: /etc/ssh/sshd_config.d/new.conf, permissions: "600"}}
    - {{content: "#!/bin/sh\\ntrue\\n", destination: /usr/local/bin/new, permissions: "755"}}
scripts:
  finalizeCustomization: [{{content: "mkdir -p /srv/new && echo 1 > /srv/new/file"}}]
"""
    text = text.replace('content: "new\\n"', 'content: "MaxSessions 5\\n"')
    base = example("selinux", tmp_path, {})
    # The file says nothing of SELinux: the image is as it was.
    labels = """\
  - {name: it enforces, command: getenforce, output: Enforcing}
  - name: all that came has its label
    command: restorecon -nrv /usr /etc /boot /srv /home
    output: ""
    timeout: 120
"""
    checks = require_booted(text + NOT_REFUSED + labels, base, tmp_path / "out.raw")
    assert {"users.ops.account", "packages"} <= {check["id"] for check in checks}


@covers("os.selinux", "os.bootloader.resetType", "os.kernelCommandLine", loader="GRUB")
def test_an_image_with_grub_gets_selinux_and_its_boot_loader_anew(
    published: Path, tmp_path: Path
) -> None:
    packages = "".join(
        f"      - {name}\n"
        for name in ("policycoreutils", "selinux-policy-default", "selinux-utils", "rpm")
    )
    changes = {"      - rpm\n": packages}
    base = example("grub", tmp_path, changes)
    text = """\
os:
  bootloader: {resetType: hard-reset}
  selinux: {mode: enforcing}
  kernelCommandLine: {extraCommandLine: [console=ttyS0, 'a.b="c d"']}
"""
    checks = require_booted(text + NOT_REFUSED, base, tmp_path / "out.raw")
    assert {"kernel.words"} <= {check["id"] for check in checks}
    (entry,) = run_dockyard("inspect", tmp_path / "out.raw", "--json").json["boot"]["entries"]
    assert entry["kind"] == "bls" and "selinux=1" in entry["commandLine"]


@covers("storage.filesystems, btrfs subvolumes", "os.overlays", "os.hostname", file_system="btrfs")
def test_quotas_are_in_force_and_an_overlay_is_of_the_initrd(
    published: Path, tmp_path: Path
) -> None:
    text = LAYERS.replace(
        "install: [harbor-core, kernel]", "install: [harbor-core, kernel, btrfs-progs]"
    )
    base = built(tmp_path, text)
    config = """\
os:
  hostname: customized
  overlays:
    - lowerDirs: [/etc]
      upperDir: /var/overlays/etc/upper
      workDir: /var/overlays/etc/work
      mountPoint: /etc
      isInitrdOverlay: true
checks:
  - name: the quotas are those of the file
    command: |
      btrfs qgroup show -re --raw / | awk '$1 ~ "^0/" && $4 $5 != "nonenone" {print $4, $5}' | sort
    output: |-
      31457280 20971520
      943718400 none
  - name: more than its quota is refused
    command: "! head -c 25M /dev/urandom > /home/ops/much && sync && ! test -s /home/ops/none"
  - name: what is written goes to the upper directory
    command: touch /etc/probe && test -e /var/overlays/etc/upper/probe
  - name: /etc is an overlay
    command: findmnt -no FSTYPE /etc
    output: overlay
"""
    checks = require_booted(config, base, tmp_path / "out.raw")
    assert any("overlay" in check["id"] for check in checks)


@covers(
    "iso",
    "input.image, raw",
    "os.hostname",
    file_system="squashfs",
    loader="GRUB",
    way=Way.CD_BY_UEFI,
    format="iso",
)
def test_a_disk_becomes_a_live_medium(published: Path, tmp_path: Path) -> None:
    base = example("minimal", tmp_path, {})
    text = """\
os:
  hostname: live
  users: [{name: ops}]
  additionalFiles: [{content: "live\\n", destination: /etc/live}]
iso: {kernelCommandLine: {extraCommandLine: [dockyard.live=1]}}
output: {image: {format: iso}}
"""
    checks = require_booted(text, base, tmp_path / "out.iso")
    assert {"live.root", "hostname", "users.ops.account"} <= {check["id"] for check in checks}
