"""A command in a guest that a small program plays: output as it is, status, limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.errors import DockyardError
from dockyard.vm.command import TIMED_OUT, Command, Ended, Stream, run_command
from dockyard.vm.errand import Errand
from dockyard.vm.qemu import Disk, Machine
from player import Player, add_firmware


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return add_firmware(tmp_path / "tools")


def run(
    root: Path, script: str, *, timeout: float = 20, seconds: float = 20
) -> tuple[Ended, bytes, bytes]:
    out, err = bytearray(), bytearray()
    ended = run_command(
        Disk(root / "i.raw", "raw"),
        Player(root, [script]),
        Machine(),
        Command(["make", "it's a test"], "alice", "/srv", {"A": "b c"}, seconds),
        Errand(),
        console=root.parent / "console",
        timeout=timeout,
        output=out.extend,
        errors=err.extend,
    )
    return ended, bytes(out), bytes(err)


def test_output_errors_and_status_are_those_of_the_command(root: Path) -> None:
    note = root.parent / "script"
    script = f"run(b'a\\x00b', b'c', 7, {str(note)!r}); time.sleep(60)"
    ended, out, err = run(root, script)
    assert (ended.status, ended.timed_out, ended.state, ended.failed) == (7, False, "running", ())
    assert (out, err) == (b"a\0b", b"c")
    told = note.read_text()
    assert "sh make 'it'\"'\"'s a test'" in told
    assert "--uid=alice --working-directory=/srv '--setenv=A=b c'" in told


def test_a_command_that_takes_too_long_is_stopped(root: Path) -> None:
    script = (
        "ready(); take(); say('uptime', text='1'); say('failed', 'bad.service', 0, 'x');"
        "say('state', text='degraded'); say('times'); os.write(streams[0], b'so far');"
        "time.sleep(60)"
    )
    ended, out, _ = run(root, script, seconds=1)
    assert (ended.status, ended.timed_out) == (TIMED_OUT, True)
    assert (ended.state, ended.failed, out) == ("degraded", ("bad.service",), b"so far")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("show('[ 1.0] Kernel panic - not syncing: dead'); time.sleep(60)", "vm.kernel-panic"),
        ("say('hello'); take(); say('trouble', text='/x: full'); time.sleep(60)", "vm.not-taken"),
        ("ready(); take(); event('SHUTDOWN', 'guest-shutdown'); time.sleep(1)", "vm.guest-gone"),
        ("say('emergency', text='a.mount failed'); time.sleep(60)", "vm.emergency-mode"),
        ("sys.exit('no such machine')", "vm.qemu-failed"),
        ("time.sleep(60)", "vm.too-slow"),
    ],
)
def test_a_guest_that_does_not_come_so_far(root: Path, script: str, code: str) -> None:
    with pytest.raises(DockyardError) as caught:
        run(root, script, timeout=2 if code == "vm.too-slow" else 20)
    assert caught.value.problems[0].code == code


@given(st.lists(st.sampled_from([b"en", b"d", b"e", b"endx", b"", b"nd"])), st.integers(1, 4))
def test_a_stream_is_handed_on_up_to_its_end(pieces: list[bytes], size: int) -> None:
    end = b"endend"
    whole = b"".join(pieces)
    told = bytearray()
    stream = Stream(end, told.extend)
    data = whole + end + b"more"
    for at in range(0, len(data), size):
        stream.feed(data[at : at + size])
    assert stream.ended
    assert told == (whole + end).partition(end)[0]
