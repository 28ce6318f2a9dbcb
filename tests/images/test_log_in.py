"""People get into a booted image: over SSH with a key of that boot, in a shell that needs none, and
at the console; and programs do, for one command.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import socket
import subprocess
import sys
import termios
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


def test_an_administrator_logs_in_over_ssh_and_becomes_root(built: Path, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("brought-along")
    words = ["boot", str(built), "--ssh", "--user", "harbour", "--timeout", "600"]
    words += ["--copy-in", f"{tmp_path}/note:/opt/"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words],
        input="id -un; sudo -n id -un; cat /opt/note; exit 7\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    # The message of the day comes first.
    told = (done.stdout.split()[-3:], done.returncode)
    assert told == (["harbour", "root", "brought-along"], 7), done.stderr
    # Whom it talked to was known: no other host key would have been taken.
    assert "ssh " in done.stderr and "StrictHostKeyChecking=yes" in done.stderr


def test_a_shell_needs_no_ssh_server_and_a_screen_is_seen(published: Path, tmp_path: Path) -> None:
    image = EXAMPLES / "minimal/image.yaml"
    run_dockyard("build", image, "--output-image-file", ROOT / "build" / "minimal.img")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/note").write_text("brought-along")
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (31, 99))
    words = ["boot", str(image), "--shell", "--graphics", "--copy-in", f"{tmp_path}/tree:/opt/tree"]
    running = subprocess.Popen(
        [sys.executable, "-c", CODE, *words, "--timeout", "600"],
        stdin=far, stdout=far, stderr=far, cwd=ROOT, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(far)
    told, asked, until = b"", False, time.monotonic() + 600
    try:
        while running.poll() is None and time.monotonic() < until:
            try:
                told += os.read(near, 4096)
            except OSError:  # the other end is closed
                break
            if not asked and b"root@" in told:
                assert security_of_screen(told.decode(errors="replace")) == b"\x01\x02"
                os.write(near, b"echo $(stty size; cat /opt/tree/note; echo; tty); exit 3\r")
                asked = True
        assert running.wait(60) == 3, told[-2000:]
    finally:
        running.kill()
        running.wait()
        os.close(near)
    assert b"31 99 brought-along /dev/hvc0" in told, told[-2000:]


def security_of_screen(told: str) -> bytes:
    """What a VNC server that was told of demands of viewers (RFC 6143, 7.1.2): 2 is a password."""
    found = re.search(r"vnc://127\.0\.0\.1:(\d+), password \w{8}", told)
    assert found, told
    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=60) as viewer:
        version = viewer.recv(12)
        assert version.startswith(b"RFB 003.")
        viewer.sendall(version)
        return viewer.recv(2)


def test_a_command_runs_in_a_booted_image(published: Path, tmp_path: Path) -> None:
    image = EXAMPLES / "minimal/image.yaml"
    run_dockyard("build", image, "--output-image-file", ROOT / "build" / "minimal.img")
    program = tmp_path / "it's a test"
    program.write_text(
        "#!/bin/sh\necho $A $(id -un) $PWD; cat; echo why >&2; sleep 900 &\nexit 7\n"
    )
    program.chmod(0o755)
    ran = run_dockyard(
        "run", image, "--json", "--copy-in", f"{program}:/opt/", "--env", "A=b  c",
        "--directory", "/srv", "--timeout", "600", "--", f"/opt/{program.name}", check=False,
    )  # fmt: skip
    assert ran.status == 7, ran.stderr
    found = ran.json
    assert (found["stdout"], found["stderr"]) == ("b c root /srv\n", "why\n")
    assert (found["status"], found["timedOut"], found["systemState"]) == (7, False, "running")


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
