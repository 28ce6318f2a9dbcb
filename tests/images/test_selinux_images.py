"""A server with SELinux: labels in its file systems, the policy taken out, people who log in."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from features import covers

IMAGE = EXAMPLES / "selinux/image.yaml"

LOG_IN = """\
  - name: an administrator logs in with a key and becomes root, and nothing is refused
    command: |
      set -e
      umask 077
      cd /root
      echo '{private}' | base64 --decode > key
      echo '{public}' >> ~harbour/.ssh/authorized_keys
      ssh -i key -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR harbour@localhost \\
          'id -Z | cut -d: -f3; sudo -n cat /sys/fs/selinux/enforce'
      journalctl --boot --quiet --no-pager --output=cat | grep 'avc. *denied' | head -n 20
    output: |-
      unconfined_t
      1
    timeout: 120
"""


def log_in() -> str:
    """The checks, with a key of their own: policy lets ssh-keygen make those of hosts alone."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return LOG_IN.format(private=b64encode(private).decode(), public=public.decode())


def described(place: Path, more: str = "") -> Path:
    """The example, with its lock, in another place."""
    image = place / "image.yaml"
    text = IMAGE.read_text().replace("../../distros", str(ROOT / "distros"))
    text = text.replace("- files/harbour.pub", f"- {EXAMPLES}/selinux/files/harbour.pub")
    image.write_text(text + more)
    image.with_suffix(".lock").write_bytes(IMAGE.with_suffix(".lock").read_bytes())
    return image


@covers("os.selinux", format="qcow2")
@pytest.mark.boot
def test_the_example_boots_and_an_administrator_logs_in(published: Path, tmp_path: Path) -> None:
    image = described(tmp_path, log_in())
    words = ("--output-image-file", tmp_path / "image.qcow2", "--progress", "quiet")
    run_dockyard("build", image, *words)
    told = run_dockyard("boot", image, "--check", "--json", "--timeout", "600", check=False).json
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert (told["systemState"], told["failedUnits"]) == ("running", [])


@covers("os.selinux", "output.selinuxPolicyPath")
@pytest.mark.build
def test_every_file_has_a_label_and_the_policy_is_taken_out(
    published: Path, tmp_path: Path
) -> None:
    image = described(tmp_path)
    text = image.read_text()
    image.write_text(text.replace("  image:\n", "  selinuxPolicyPath: policy\n  image:\n"))
    out = tmp_path / "image.qcow2"
    run_dockyard("lock", image, "--progress", "quiet")
    run_dockyard("build", image, "--output-image-file", out, "--progress", "quiet")
    selinux = run_dockyard("inspect", out, "--json").json["selinux"]
    assert (selinux["mode"], selinux["policy"]) == ("enforcing", "default")
    assert selinux["labelled"] > 10000
    policy = tmp_path / "policy/default"
    assert (policy / "policy/policy.33").stat().st_size > 1 << 20
    assert "/usr/sbin/sshd" in (policy / "contexts/files/file_contexts").read_text()
    # The command line comes first when an image that exists is customized, too.
    config, taken = tmp_path / "config.yaml", tmp_path / "taken"
    config.write_text("os: {hostname: other}\noutput: {selinuxPolicyPath: not-here}\n")
    words = ("--config-file", config, "--image-file", out, "--output-image-file")
    run_dockyard("customize", *words, tmp_path / "other.raw", "--output-selinux-policy-path", taken)
    compared = subprocess.run(["diff", "-r", tmp_path / "policy", taken], capture_output=True)
    assert compared.stdout == b"" and not (tmp_path / "not-here").exists()
    (policy / "policy/of-others").touch()
    ran = run_dockyard("build", image, "--output-image-file", out, check=False)
    assert "build.policy-place" in ran.stderr


@covers("os.selinux")
@pytest.mark.boot
@pytest.mark.long
def test_an_administrator_logs_in_from_outside(published: Path) -> None:
    run_dockyard("build", IMAGE, "--output-image-file", ROOT / "build" / "selinux.img")
    words = ["boot", str(IMAGE), "--ssh", "--user", "harbour", "--timeout", "600"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        input="id -Z; sudo -n cat /sys/fs/selinux/enforce; exit 7\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    context, enforces = done.stdout.split()[-2:]
    assert (context.split(":")[2], enforces, done.returncode) == ("unconfined_t", "1", 7)
