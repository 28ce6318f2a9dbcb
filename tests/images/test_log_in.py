"""People get into a booted image: over SSH with a key of that boot, and at the console."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import CODE, EXAMPLES, ROOT, run_dockyard

pytestmark = pytest.mark.boot
IMAGE = EXAMPLES / "server/image.yaml"


@pytest.fixture
def built(published: Path) -> Path:
    run_dockyard("build", IMAGE, "--output-image-file", ROOT / "build" / "server.img")
    return IMAGE


def test_an_administrator_logs_in_over_ssh_and_becomes_root(built: Path) -> None:
    words = ["boot", str(built), "--ssh", "--user", "harbour", "--timeout", "600"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        input="id -un; sudo -n id -un; exit 7\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    # The message of the day comes first.
    assert (done.stdout.split()[-2:], done.returncode) == (["harbour", "root"], 7), done.stderr
    assert "ssh " in done.stderr


def test_root_is_logged_in_at_the_console(published: Path) -> None:
    image = EXAMPLES / "minimal/image.yaml"
    run_dockyard("build", image, "--output-image-file", ROOT / "build" / "minimal.img")
    near, far = pty.openpty()
    words = ["boot", str(image), "--autologin"]
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdin=far, stdout=far, stderr=far, cwd=ROOT
    )
    os.close(far)
    told, asked, until = b"", False, time.monotonic() + 600
    try:
        while running.poll() is None and time.monotonic() < until:
            try:
                told += os.read(near, 4096)
            except OSError:  # the other end is closed
                break
            if not asked and b"root@" in told:
                os.write(near, b"echo who-$(id -un); poweroff\r")
                asked = True
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()
        os.close(near)
    assert b"who-root" in told, told[-2000:]
