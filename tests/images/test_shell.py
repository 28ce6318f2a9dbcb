"""The tree of an image is opened without booting it, and nothing that is done there stays."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard

pytestmark = pytest.mark.build
IMAGE = EXAMPLES / "minimal/image.yaml"


def test_a_tree_is_opened_and_what_is_written_is_thrown_away(
    published: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "minimal.raw"
    run_dockyard("build", IMAGE, "--output-image-file", disk)
    before = disk.stat().st_mtime_ns
    script = "id -u; . /etc/os-release; echo $ID; echo x >/etc/new; ls /boot/efi/EFI; exit 5"
    done = run_dockyard("shell", disk, "--", "sh", "-c", script, check=False)
    assert done.status == 5, done.stderr
    assert done.stdout.split()[:2] == ["0", "harbor"] and "BOOT" in done.stdout
    again = run_dockyard("shell", IMAGE, "--", "ls", "/etc/new", check=False)
    assert again.status == 2 and "/etc/new" in again.stderr
    # There is no way out, and nothing of the host.
    tried = "cat </dev/tcp/127.0.0.1/22; cat /proc/1/environ | tr '\\0' '\\n'; ls /work /home"
    alone = run_dockyard("shell", IMAGE, "--", "bash", "-c", tried, check=False)
    assert "refused" in alone.stderr or "unreachable" in alone.stderr
    assert "DOCKYARD_STORE" not in alone.stdout
    missing = run_dockyard("shell", IMAGE, "--", "/no/such", check=False)
    assert missing.status == 127
    assert disk.stat().st_mtime_ns == before
    assert not list((published / "vm").glob(".*.tree.*"))


def test_what_is_no_disk_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(b"\x1f\x8b" + bytes(5000))
    done = run_dockyard("shell", tmp_path / "packed", "--", "true", check=False)
    assert done.status == 125 and "image.not-a-disk" in done.stderr


def test_a_person_has_job_control_and_the_terminal_back_afterwards(published: Path) -> None:
    near, far = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, "shell", str(IMAGE)],
        stdin=far, stdout=far, stderr=far, cwd=ROOT, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    before = termios.tcgetattr(far)
    steps = iter(
        [
            # What says that it runs is the job itself, which then has the terminal.
            (b"root@", b"sh -c 'echo run\"\"ning; exec sleep 900'\r"),
            (b"running", b"\x1a"),
            (b"Stopped", b"kill -9 %1\r"),
            (b"kill -9", b"\r"),  # a prompt tells what became of a job
            (b"Killed", b"exit 4\r"),
        ]
    )
    told, until = b"", time.monotonic() + 300
    wanted, answer = next(steps)
    try:
        while wanted and time.monotonic() < until and select.select([near], [], [], 100)[0]:
            told += os.read(near, 4096)
            if wanted in told:
                time.sleep(1)
                os.write(near, answer)
                wanted, answer = next(steps, (b"", b""))
        assert not wanted, told[-2000:]
        assert running.wait(120) == 4, told[-2000:]
        assert termios.tcgetattr(far)[:4] == before[:4]
    finally:
        running.kill()
        running.wait()
        os.close(near)
        os.close(far)
