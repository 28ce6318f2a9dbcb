"""What programs in the sandbox can reach: their own files, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host import limits
from dockyard.host import namespace as house
from dockyard.host.conditions import conditions
from dockyard.host.files import make_root
from dockyard.host.sandbox import Tools, lent, run_in_tree

pytestmark = pytest.mark.build

# What a program of an image would do that wants more than it was given; each must fail.
ATTACKS = {
    "remount": "mount -o remount,bind,rw /usr",
    "remount as the first process": "chroot /proc/1/root mount -o remount,bind,rw /usr",
    "a new mount": "mount -t tmpfs none /mnt",
    "control groups": "mount -t cgroup2 none /mnt",
    "unmount": "umount /usr",
    "a user namespace": "unshare --user true",
    "a mount namespace": "unshare --mount true",
    "a network namespace": "unshare --net true",
    "another root": "chroot /tmp",
    "another root, through the first process": "chroot /proc/1/root true",
    "core dumps run as root": "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
    "a program for every change of modules": "echo /tmp/x > /proc/sys/kernel/modprobe",
    "the magic key": "echo b > /proc/sysrq-trigger",
    "memory of the kernel": "head -c 1 /proc/kcore",
    "names in the kernel": "grep -q . /proc/kallsyms",
    "devices": "mknod /tmp/disk b 8 0",
    "the tools": "touch /usr/bin/new",
    "raw sockets": "python3 -c 'import socket; socket.socket(2, 3, 1)'",
    "the machine below": "python3 -c 'import socket; socket.socket(40, 1)'",
    "the host's name": "hostname other",
    "the clock": "date -s 2001-01-01",
    "a limit": "ulimit -Hc 1",
    "its own priority": 'nice -n -5 true && test "$(nice -n -5 nice)" -lt 0',
    "tracing": """python3 -c 'import ctypes, sys
sys.exit(0 if ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 else 1)'""",
    "keys": """python3 -c 'import ctypes, sys
sys.exit(0 if ctypes.CDLL(None).syscall(250, 0, -3, 0) >= 0 else 1)'""",
    "bpf": """python3 -c 'import ctypes, sys
sys.exit(0 if ctypes.CDLL(None).syscall(321, 0, 0, 0) >= 0 else 1)'""",
    "an i386 call": """python3 -c 'import ctypes, mmap, sys
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex("b814000000cd80c3"))
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
sys.exit(0 if call() > 0 else 1)'""",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_programs_may_not_do(name: str, tools: Tools) -> None:
    done = tools.run(["sh", "-c", ATTACKS[name]], check=False, timeout=30)
    assert done.status != 0, f"{name}: {done.text}"


@pytest.mark.parametrize("name", ["kallsyms", "kpagecount", "slabinfo", "vmallocinfo"])
def test_programs_of_the_caller_do_not_see_the_kernels_memory(name: str, tools: Tools) -> None:
    code = f"head -c 1 /proc/{name} | grep -q ."
    assert tools.start(["sh", "-c", code]).wait() != 0


def test_programs_have_few_capabilities_and_get_none(tools: Tools) -> None:
    found = tools.run(["cat", "/proc/self/status"]).text.splitlines()
    status = dict(line.split(":\t", 1) for line in found if ":\t" in line)
    wanted = (0, 1, 3, 4, 5, 6, 7, 31)  # CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID -UID -FCAP
    mask = sum(1 << number for number in wanted)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == mask
    assert status["NoNewPrivs"].strip() == "1"


def test_root_inside_is_nobody_that_the_host_knows(tools: Tools, tmp_path: Path) -> None:
    place = tmp_path / "lent"
    make_root(place)
    tools.run(["touch", str(place / "file")], write=[place])
    assert (place / "file").stat().st_uid == 0 != house.caller()
    # The map of the process that waits for programs, as it was made: not the caller's id.
    assert tools.run(["cat", "/proc/self/uid_map"]).text.split() == ["0", "0", "65536"]


def test_files_of_the_caller_cannot_be_written(tools: Tools, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    done = tools.run(["sh", "-c", f"echo x >> {mine}/file"], read=[mine], check=False)
    assert done.status != 0
    assert (mine / "file").read_text() == "mine"


def test_what_is_lent_comes_back(tools: Tools, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "old").write_text("old")
    tools.run(["sh", "-c", f"echo new >> {mine}/old; touch {mine}/made"], write=[mine])
    assert (mine / "old").read_text() == "oldnew\n"
    owners = {path.stat().st_uid for path in (mine, *mine.iterdir())}
    assert owners == {house.caller()}


def test_processes_of_the_host_are_not_seen(tools: Tools) -> None:
    seen = tools.run(["sh", "-c", "ls /proc | grep -c '^[0-9]'"]).text
    assert int(seen) < 8


def test_the_hosts_name_is_not_seen(tools: Tools, shell_tree: Path) -> None:
    words = ["/usr/bin/uname", "-n"]
    assert tools.run(words).text == tools.run_in_tree(shell_tree, words).text == "localhost\n"


def test_conditions_are_the_same_whoever_starts(tools: Tools) -> None:
    ask = "umask; ulimit -a | grep -v -e process; nice; grep -e Sig.gn -e SigBlk /proc/self/status"
    plain = tools.run(["sh", "-c", ask]).text
    code = f"""
import os, resource, signal
from pathlib import Path
from dockyard.host import namespace
from dockyard.host.sandbox import Tools
os.umask(0o077)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 2048))
resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
namespace.enter()
print(Tools(Path({str(tools.root)!r})).run(["sh", "-c", {ask!r}]).text, end="")
"""
    words = [sys.executable, "-c", code]
    strange = subprocess.run(words, stdout=-1, text=True, check=True, user=0, group=0).stdout
    assert strange == plain
    assert plain.splitlines()[0] == "0022"


def test_conditions_undo_what_the_caller_ignores() -> None:
    code = (
        "import signal, sys; sys.exit(0 if signal.getsignal(signal.SIGHUP)"
        " is signal.SIG_DFL and not signal.pthread_sigmask(signal.SIG_BLOCK, ()) else 1)"
    )
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        words = [sys.executable, "-c", code]
        assert subprocess.run(words, preexec_fn=conditions(), check=False).returncode == 0
        assert subprocess.run(words, check=False).returncode == 1
    finally:
        signal.signal(signal.SIGHUP, old)


LIMITS = {
    "TIME": ("1", "sleep 60", "ran for more than 1 s"),
    "PROCESSES": ("20", "for i in $(cat /etc/many); do sleep 60 & done; wait", "more than 20 proc"),
    "MEMORY": ("64M", 'x=aaaaaaaa; while :; do x="$x$x"; done', "more than 64.0 MiB of memory"),
    "MEMORY in files": (
        "64M",
        "head -c 128M /dev/zero > /tmp/x; sleep 9",
        "more than 64.0 MiB of m",
    ),
    "MEMORY of devices": ("64M", "head -c 128M /dev/zero > /dev/x; sleep 9", "64.0 MiB of memory"),
    "FILE_SIZE": ("1M", "cat /dev/zero > /etc/endless", "a file of more than 1.0 MiB"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_told(name: str, shell_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value, script, told = LIMITS[name]
    (shell_tree / "etc/many").write_text("x " * 200)
    name = name.partition(" ")[0]
    monkeypatch.setenv(f"DOCKYARD_LIMIT_{name}", value)
    with pytest.raises(DockyardError, match=told) as caught:
        run_in_tree(shell_tree, ["/usr/bin/sh", "-c", f"{script}; exit $?"])
    (problem,) = caught.value.problems
    assert f"DOCKYARD_LIMIT_{name}" in problem.fix


def test_a_program_that_reads_an_image_has_a_time_by_its_size(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(3 << 20))
    monkeypatch.setattr(limits, "_LEAST_READING", 1)
    asleep = tools.run(["sh", "-c", "sleep 2; head -c 70000000 /dev/zero"], reads=image)
    assert len(asleep.stdout) == 70_000_000  # nothing of it is left out
    os.truncate(image, 0)
    with pytest.raises(DockyardError) as caught:
        tools.run(["sh", "-c", "while :; do :; done"], reads=image)
    (problem,) = caught.value.problems
    assert (problem.code, problem.what, problem.where) == (
        "host.limit",
        "sh ran for more than 1 s, and was stopped",
        str(image),
    )
    assert "DOCKYARD_LIMIT_TIME" in problem.fix


def test_the_time_for_an_image_can_be_made_longer_and_not_shorter(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 5 << 30)
    assert limits.reading_limits(image, {}).seconds == 600 + 5 * 1024
    assert limits.reading_limits(image, {"DOCKYARD_LIMIT_TIME": "10"}).seconds == 600 + 5 * 1024
    assert limits.reading_limits(image, {"DOCKYARD_LIMIT_TIME": "9999"}).seconds == 9999
    assert limits.reading_limits(tmp_path / "none", {}).seconds == 600


def test_limits_that_are_none_are_told_together(
    shell_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKYARD_LIMIT_TIME", "an hour")
    monkeypatch.setenv("DOCKYARD_LIMIT_MEMORY", "0")
    with pytest.raises(DockyardError) as caught:
        run_in_tree(shell_tree, ["/usr/bin/id"])
    assert len(caught.value.problems) == 2


def test_a_tools_program_works_in_a_tree_with_the_trees_programs(
    tools: Tools, shell_tree: Path
) -> None:
    done = tools.run_in_tree(
        shell_tree, ["/usr/bin/env", "/usr/bin/sh", "-c", "id -u; echo $LD_PRELOAD"]
    )
    assert done.text.split() == ["0"]
    assert not list((shell_tree / "dev").iterdir())
    failed = tools.run_in_tree(shell_tree, ["/usr/bin/env", "chroot", "/"], check=False)
    assert failed.status != 0


def test_a_program_in_a_tree_cannot_reach_the_tools(tools: Tools, shell_tree: Path) -> None:
    place = tools.inside("/usr/bin/new")
    words = ["/usr/bin/env", "/usr/bin/sh", "-c", f"echo x > {place}"]
    assert tools.run_in_tree(shell_tree, words, check=False).status != 0
    assert not (tools.root / "usr/bin/new").exists()


def test_no_program_of_a_tool_runs_as_the_caller(tools: Tools, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    tools.run(["sh", "-c", f"cp /usr/bin/id {place}; chmod 6755 {place}/id"], write=[place])
    found = (place / "id").stat()
    assert (found.st_uid, found.st_mode & 0o7777) == (house.caller(), 0o755)


def test_lending_leaves_what_others_own(tmp_path: Path, namespace: None) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "theirs").write_text("")
    os.chown(place / "theirs", 42, 42)
    with lent([place]):
        assert (place.stat().st_uid, (place / "theirs").stat().st_uid) == (0, 42)
    assert (place.stat().st_uid, (place / "theirs").stat().st_uid) == (house.caller(), 42)
