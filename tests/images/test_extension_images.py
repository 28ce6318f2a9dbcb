"""What is added to an image is written as an extension of it, which the running system takes in."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from features import covers

QUIET = ("--progress", "quiet")
NO_OTHERS = "--disable-base-image-rpm-repos"
ADDED = f"""\
name: jq
distro: {ROOT}/distros/harbor
os:
  packages: {{install: [jq]}}
  additionalFiles: [{{content: "added\\n", destination: /usr/share/added}}]
"""
CONFIGURED = """\
name: settings
os:
  additionalFiles: [{content: "configured\\n", destination: /etc/configured}]
"""
TAKEN_IN = f"""\
distro: {ROOT}/distros/harbor
os:
  packages: {{install: [systemd-cryptsetup, dmsetup, cryptsetup-bin]}}
  additionalFiles:
    - {{source: jq.raw, destination: /var/lib/extensions/jq.raw}}
    - {{source: jq.roothash, destination: /var/lib/extensions/jq.roothash}}
    - {{source: settings.raw, destination: /var/lib/confexts/settings.raw}}
  services: {{enable: [systemd-sysext, systemd-confext]}}
checks:
  - {{name: a file is there, command: cat /usr/share/added, output: added}}
  - {{name: a program of the extension runs, command: "echo '[1]' | jq '.[0]'", output: "1"}}
  - {{name: what was there still is, command: test -x /usr/bin/bash && echo yes, output: "yes"}}
  - {{name: settings are there, command: cat /etc/configured, output: configured}}
  - name: dm-verity checks what has its root hash beside it
    command: cat /sys/block/dm-*/dm/uuid | grep --count ^CRYPT-VERITY
    output: "1"
  - name: systemd names it
    command: systemd-sysext status --no-legend --no-pager | grep --count jq
    output: "1"
"""


@pytest.fixture(scope="module")
def base(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base") / "base.raw"
    run_dockyard("build", EXAMPLES / "minimal/image.yaml", "--output-image-file", out, *QUIET)
    return out


def customize(text: str, base: Path, out: Path, name: str = "raw", status: int = 0) -> str:
    config = out.with_suffix(".yaml")
    config.write_text(text)
    given = ("--config-file", config, "--image-file", base, "--output-image-file", out)
    words = (NO_OTHERS, "--output-image-format", name, *QUIET)
    done = run_dockyard("customize", *given, *words, check=not status)
    assert done.status == status
    return done.stderr


@covers("output.image.format, sysext and confext")
@pytest.mark.build
def test_what_is_added_is_an_extension(base: Path, tmp_path: Path) -> None:
    outs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        outs.append(tmp_path / name / "jq.raw")
        customize(ADDED, base, outs[-1], "sysext")
    assert outs[0].read_bytes() == outs[1].read_bytes()
    root_hash = outs[0].with_suffix(".roothash").read_text()
    assert root_hash == outs[1].with_suffix(".roothash").read_text() and len(root_hash) == 65
    assert outs[0].stat().st_size < 8 << 20
    told = run_dockyard("inspect", outs[0], "--tree", "/usr", "--depth", "3").stdout
    assert "jq" in told and "bash" not in told
    lost = ADDED + "  hostname: other\n"
    said = customize(lost, base, tmp_path / "three.raw", "sysext", status=1)
    assert "changes /etc/hostname" in " ".join(said.split())
    elsewhere = ADDED.replace("/usr/share/added", "/etc/added")
    said = customize(elsewhere, base, tmp_path / "four.raw", "sysext", status=1)
    assert "/etc/added cannot be in the format sysext" in " ".join(said.split())
    packages = "--output-image-file", tmp_path / "five.raw", "--output-image-format", "sysext"
    done = run_dockyard("build", EXAMPLES / "minimal/image.yaml", *packages, check=False)
    assert done.status == 1 and "dockyard customize" in " ".join(done.stderr.split())


@covers("output.image.format, sysext and confext")
@pytest.mark.boot
@pytest.mark.long
def test_the_running_system_takes_extensions_in(base: Path, tmp_path: Path) -> None:
    customize(ADDED, base, tmp_path / "jq.raw", "sysext")
    customize(CONFIGURED, base, tmp_path / "settings.raw", "confext")
    out = tmp_path / "out.raw"
    customize(TAKEN_IN, base, out)
    config = ("--config-file", out.with_suffix(".yaml"), "--image-file", base, NO_OTHERS)
    words = ("--check", "--timeout", "600", "--json")
    told = run_dockyard("boot", out, *config, *words, check=False).json
    # The check of all names looks into no other file system, and /usr and /etc are overlays now.
    assert {check["id"] for check in told["checks"] if not check["passed"]} <= {"names"}
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
