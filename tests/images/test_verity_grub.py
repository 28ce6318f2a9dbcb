"""A root on dm-verity with GRUB, written as COSI, back to a disk, customized, and booted."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run_dockyard
from test_verity_boots import image_file

from features import covers

QUIET = ("--progress", "quiet")
GRUB = {
    "  uki: {mode: create}\n": "",
    "{resetType: hard-reset}": "{resetType: hard-reset, type: grub}",
    "label: esp, size: 96M}\n": "label: esp, size: 64M}\n"
    "        - {id: boot, type: xbootldr, label: boot, size: 256M}\n",
    "options: umask=0077}}\n": "options: umask=0077}}\n"
    "    - {deviceId: boot, type: ext4, mountPoint: {path: /boot, idType: uuid}}\n",
    "dmsetup]": "dmsetup, grub2-efi-x64]",
}
NEW = """\
storage: {reinitializeVerity: all}
os:
  additionalFiles: [{content: new, destination: /etc/new}]
  kernelCommandLine: {extraCommandLine: [dockyard.new=1]}
checks:
  - name: veritysetup finds the data as they were
    command: veritysetup status root | grep -Ex ' *status:.*verified'
  - name: the root is checked
    command: test "$(findmnt -no SOURCE /)" = /dev/mapper/root
  - name: every block is as it was
    command: cat /dev/mapper/root > /dev/null
    timeout: 200
"""


@covers("storage.verity, root", "output.image.format, cosi", "input.image, cosi", loader="GRUB")
@covers("storage.reinitializeVerity", "os.kernelCommandLine", loader="GRUB")
@pytest.mark.boot
@pytest.mark.long
def test_it_goes_through_cosi_is_hashed_anew_and_boots(published: Path, tmp_path: Path) -> None:
    image = image_file(tmp_path, "root")
    text = image.read_text()
    for old, new in GRUB.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    image.write_text(text)
    run_dockyard("lock", image, *QUIET)
    built, cosi, back, out = (tmp_path / name for name in ("a.raw", "b.cosi", "c.raw", "d.raw"))
    run_dockyard("build", image, "--output-image-file", built, *QUIET)
    assert run_dockyard("inspect", built, "--json").json["boot"]["loaders"] == ["grub", "shim"]
    config = tmp_path / "config.yaml"
    config.write_text(NEW)
    customize = ("customize", "--config-file", config, *QUIET, "--image-file")
    level = ("--cosi-compression-level", "1")
    run_dockyard(*customize, built, "--output-image-file", cosi, "--output-image-format", "cosi",
                 *level)  # fmt: skip
    run_dockyard("convert", "--image-file", cosi, "--output-image-file", back,
                 "--output-image-format", "raw", *QUIET)  # fmt: skip
    run_dockyard(*customize, built, "--output-image-file", out)
    assert back.read_bytes() == out.read_bytes()
    words = ("--config-file", config, "--image-file", built, "--check", "--timeout", "600")
    told = run_dockyard("boot", back, *words, "--json", check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])
    assert "verity.root" in {check["id"] for check in told["checks"]}
