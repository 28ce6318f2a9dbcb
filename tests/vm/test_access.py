"""A login over SSH, with a guest that a small program plays: who answers must be known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dockyard.errors import DockyardError
from dockyard.host import process
from dockyard.host.sandbox import Tools
from dockyard.vm import access
from dockyard.vm.access import Login, log_in
from dockyard.vm.errand import Errand
from dockyard.vm.qemu import Disk, Machine
from player import Player, add_firmware

KEYS = "ssh-ed25519 AAAA root@guest\nssh-rsa BBBB\n\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(access, "answers_ssh", lambda port, seconds: True)
    return add_firmware(tmp_path / "tools")


def come_in(root: Path, script: str, **more: Any) -> int:
    disk = Disk(root / "i.raw", "raw")
    tools, console = Player(root, [script]), root.parent / "console"
    login = Login("alice", words=("true",))
    return log_in(disk, tools, Machine(), login, Errand(), console=console, timeout=20, **more)


def test_ssh_knows_the_keys_that_the_guest_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def start(argv: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        if argv[0] != "ssh":
            return process_start(argv, **more)
        [known] = [word.partition("=")[2] for word in argv if word.startswith("UserKnownHosts")]
        seen.extend([*argv, Path(known).read_text(), *more["env"]])
        return process_start([sys.executable, "-c", "raise SystemExit(9)"])

    process_start = process.start
    monkeypatch.setattr(process, "start", start)
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "stdin", sys.__stdout__)
    told: list[str] = []
    script = f"ready(); take(); say('hostkeys', text={KEYS!r}); time.sleep(60)"
    assert come_in(root, script, ready=told.append) == 9
    port = seen[seen.index("-p") + 1]
    expected = f"[127.0.0.1]:{port} ssh-ed25519 AAAA\n[127.0.0.1]:{port} ssh-rsa BBBB\n"
    assert expected in seen and "StrictHostKeyChecking=yes" in seen
    # Nothing of the caller's own is read.
    assert seen[1:3] == ["-F", "none"] and "IdentityAgent=none" in seen
    assert "SSH_AUTH_SOCK" not in seen and "alice@127.0.0.1" in told[0]
    key = Path(seen[seen.index("-i") + 1])
    assert not key.exists() and not key.parent.exists()


def test_a_server_that_nobody_vouches_for_is_not_talked_to(root: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        come_in(root, "ready(); take(); say('hostkeys', text='\\n'); time.sleep(60)")
    assert caught.value.problems[0].code == "vm.no-host-key"


def test_a_host_without_ssh_takes_that_of_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []

    def start(tools: Tools, argv: Sequence[str], **more: Any) -> Any:
        called.append((argv, more))

    monkeypatch.setattr(Tools, "start", start)
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    monkeypatch.setattr(sys, "stdin", sys.__stdout__)
    key = tmp_path / "key"
    access._started(["ssh", "x"], Tools(tmp_path), [key])
    [(argv, more)] = called
    assert argv == ["ssh", "x"] and more["network"] and more["read"] == [key]
    [(passwd, place)] = more["overlays"]
    assert place == "/etc/passwd" and passwd.read_text().startswith("caller:x:")
