"""A server with SELinux: labels in its file systems, the policy taken out, people who log in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard

from features import covers

IMAGE = EXAMPLES / "selinux/image.yaml"


@covers("os.selinux", "output.selinuxPolicyPath")
@pytest.mark.build
def test_every_file_has_a_label_and_the_policy_is_taken_out(
    published: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image.yaml"
    text = IMAGE.read_text().replace("../../distros", str(ROOT / "distros"))
    text = text.replace("  image:\n", "  selinuxPolicyPath: policy\n  image:\n")
    text = text.replace("- files/harbour.pub", f"- {EXAMPLES}/selinux/files/harbour.pub")
    image.write_text(text)
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
def test_an_administrator_logs_in_where_selinux_enforces(published: Path) -> None:
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
