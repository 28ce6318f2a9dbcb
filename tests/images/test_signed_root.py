"""The hash of a checked root is taken out, signed outside, and its signature put in again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run_dockyard
from test_customize_verity import ALL, FILE, disk_of
from test_verity_boots import image_file

from dockyard.filesystems.vfat import read
from features import covers

SIGNATURE = "/boot/efi/root.sig"
ARTIFACTS = "output: {artifacts: {items: [verity-hash], path: ./out}}\n"


def signed(place: Path) -> Path:
    """Sign the hash that was taken out as the kernel wants it: PKCS #7 of its hex digits, apart
    from them and without certificates. Gives the hash, kept beside.
    """
    taken, told = place / "out/verity-hash/root.sig", place / "told"
    told.write_bytes(taken.read_bytes())
    if not (place / "crt").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
             "-subj", "/CN=test", "-keyout", "key", "-out", "crt"], cwd=place, check=True
        )  # fmt: skip
    subprocess.run(
        ["openssl", "smime", "-sign", "-nocerts", "-noattr", "-binary", "-outform", "der",
         "-in", told, "-inkey", "key", "-signer", "crt", "-out", taken], cwd=place, check=True
    )  # fmt: skip
    return told


def injected(place: Path, image: Path, out: Path) -> Path:
    words = ("--config-file", place / "out/inject-files.yaml", "--image-file", image)
    run_dockyard("inject-files", *words, "--output-image-file", out, "--progress", "quiet")
    return out


def holds(place: Path, image: Path, content: Path) -> bool:
    """Whether the signature in an image is that of some content."""
    esp = disk_of(image).partitions[0].region
    (place / "found").write_bytes(read(esp).read(b"root.sig"))
    done = subprocess.run(
        ["openssl", "smime", "-verify", "-inform", "der", "-in", "found", "-content", content,
         "-binary", "-certfile", "crt", "-CAfile", "crt", "-purpose", "any", "-out", os.devnull],
        cwd=place, capture_output=True,
    )  # fmt: skip
    return done.returncode == 0


def root_hash(image: Path) -> str:
    found = run_dockyard("inspect", image, "--json").json["verity"]["roothash"]
    assert isinstance(found, str)
    return found


def built(place: Path) -> Path:
    """An image whose root hash is to be signed."""
    image, out = image_file(place, "root"), place / "root.img"
    device = "corruptionOption: panic\n"
    text = image.read_text().replace(device, f"{device}      hashSignaturePath: {SIGNATURE}\n")
    image.write_text(text + ARTIFACTS)
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    return out


@covers("storage.verity, signature", "output.artifacts")
@pytest.mark.build
def test_a_root_hash_is_signed_outside_and_again_when_the_root_changes(
    published: Path, tmp_path: Path
) -> None:
    image, new = built(tmp_path), tmp_path / "new.img"
    told = signed(tmp_path)
    assert told.read_text() == root_hash(image)
    injected(tmp_path, image, new)
    assert holds(tmp_path, new, told)
    line = run_dockyard("inspect", new, "--json").json["boot"]["entries"][0]["commandLine"]
    assert f"systemd.verity_root_options=panic-on-corruption,root-hash-signature={SIGNATURE}" in (
        line.split()
    )
    # The root changes: what was signed is no longer its hash, and the new one is taken out.
    config, out = tmp_path / "config.yaml", tmp_path / "changed.img"
    words = ("customize", "--config-file", config, "--image-file", new, "--output-image-file", out)
    config.write_text(FILE % "/etc/new" + ALL)
    warned = run_dockyard(*words).stderr
    assert "verity.signature-outdated" in warned
    config.write_text(FILE % "/etc/new" + ALL + ARTIFACTS)
    warned = run_dockyard(*words, "--progress", "quiet").stderr
    assert "verity.signature-outdated" not in warned
    assert not holds(tmp_path, out, tmp_path / "out/verity-hash/root.sig")
    told = signed(tmp_path)
    assert told.read_text() == root_hash(out) != root_hash(image)
    assert holds(tmp_path, injected(tmp_path, out, tmp_path / "again.img"), told)


# Boots an image on firmware that has a certificate among its keys, or has it not.
BOOT = """
import json
import sys
from pathlib import Path
from dockyard.engine.store import default_root
from dockyard.errors import DockyardError
from dockyard.host import namespace
from dockyard.tools.trees import tools_tree
from dockyard.tree.check import Check
from dockyard.vm.guest import ask
from dockyard.vm.qemu import find_firmware

namespace.enter()
tools = tools_tree(default_root()).main
place, image, enrolled = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
variables = place / "variables"
variables.write_bytes(find_firmware(tools.root).variables.read_bytes())
if enrolled:
    owner = "11111111-2222-3333-4444-123456789abc"
    argv = ["virt-fw-vars", "--inplace", str(variables), "--add-db", owner, str(place / "crt")]
    tools.run(argv, read=[place / "crt"], write=[variables])
checks = [Check("signed", "with a signature", "veritysetup status root | grep status:", "")]
try:
    verdict = ask(image, "raw", checks, tools, console=place / "console", show_kernel=True,
                  timeout=240, firmware_variables=variables)
    print(json.dumps([verdict.system_state, verdict.results[0].actual]))
except DockyardError as error:
    print(json.dumps([problem.code for problem in error.problems]))
"""


@covers("storage.verity, signature")
@pytest.mark.boot
@pytest.mark.long
@pytest.mark.parametrize("enrolled", [True, False])
def test_the_kernel_holds_the_hash_against_its_signature(
    enrolled: bool, published: Path, tmp_path: Path
) -> None:
    image = built(tmp_path)
    signed(tmp_path)
    new = injected(tmp_path, image, tmp_path / "new.img")
    ran = subprocess.run(
        [sys.executable, "-c", BOOT, tmp_path, new, str(enrolled)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    said = json.loads(ran.stdout)
    if enrolled:
        assert said[0] == "running" and "verified (with signature)" in said[1]
    else:
        console = (tmp_path / "console").read_text(errors="replace")
        assert said == ["vm.device-missing"]
        assert "verity: Root hash verification failed (-ENOKEY)" in console
