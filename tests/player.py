"""A guest that a small program plays in QEMU's place: it says what a test has it say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dockyard.host.process import start
from dockyard.host.sandbox import Tools

PLAYER = """
import os, sys, time
console, report, monitor, *streams = (int(number) for number in sys.argv[1:])
def say(kind, id="-", status=0, text=""):
    data = text.encode()
    head = "@%s %s %d %d\\n" % (kind, id, status, len(data))
    os.write(report, head.encode() + data + b"\\n")
def show(text): os.write(console, text.encode() + b"\\r\\n")
def event(name, reason): os.write(
    monitor, b'{"event": "%s", "data": {"reason": "%s"}}\\n' % (name.encode(), reason.encode()))
def take():
    size, taken = int(os.read(report, 12)), b""
    while len(taken) < size: taken += os.read(report, size - len(taken))
    return taken.decode(errors="replace")
def ready():
    say("hello", text="2.5"); take(); say("ready")
def run(output, errors, status, note=os.devnull):
    ready(); script = take()
    with open(note, "w") as file: file.write(script)
    end = script.partition("printf %s ")[2].split()[0].encode()
    say("uptime", text="9.5"); say("state", text="running"); say("times", text="quick")
    for stream, text in zip(streams, (output, errors)): os.write(stream, text + end)
    say("status", status=status)
def up():
    say("hello", text="2.5"); take()
    say("uptime", text="9.5"); say("state", text="running"); say("times", text="quick")
def check(place, text, status=0): say("begin", place); say("check", place, status, text)
os.read(monitor, 100)
"""


@dataclass(frozen=True, slots=True)
class Player(Tools):
    """A tools tree whose QEMU is a Python script."""

    scripts: list[str] = field(default_factory=list)

    def start(self, argv: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        names = [a.partition("fd=")[2] for a in argv if a.startswith("socket,id=")]
        stderr: IO[bytes] = more["stderr"]
        env: Mapping[str, str] = more["env"]
        program = PLAYER + self.scripts.pop(0)
        return start(
            [sys.executable, "-c", program, *names],
            stderr=stderr,
            env=env,
            pass_fds=more["pass_fds"],
        )


def add_firmware(tools: Path) -> Path:
    """Put what stands for firmware into a tree of tools, and give the tree."""
    place = tools / "usr/share/OVMF"
    place.mkdir(parents=True)
    for name in ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"):
        (place / name).write_bytes(b"firmware")
    return tools
