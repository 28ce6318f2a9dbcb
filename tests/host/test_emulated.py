"""Programs of another architecture run in the sandbox, and nowhere else."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dockyard.errors import DockyardError
from dockyard.host import foreign, kernel
from dockyard.host.files import make_root
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import run_in_tree
from dockyard.model.architecture import Architecture
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.pins import fetch_pins
from dockyard.packages.deb.unpack import unpack
from dockyard.packages.origins import Origins
from dockyard.tools.declared import declared_trees
from dockyard.tools.trees import load_tools_lock
from foreign_program import aarch64_program

TARGET = Architecture.AARCH64


def test_a_rule_says_by_what_a_program_is_known() -> None:
    told = foreign.rule(TARGET, "/proc/self/fd/3").decode()
    name, kind, offset, magic, mask, program, flags = told[1:].split(":")
    assert (name, kind, offset, program, flags) == ("aarch64", "M", "0", "/proc/self/fd/3", "PF")
    header, bits = (bytes.fromhex(text.replace(r"\x", "")) for text in (magic, mask))
    assert len(header) == len(bits) == 20

    def known(file: bytes) -> bool:
        return all(a & m == b & m for a, b, m in zip(file[:20], header, bits, strict=True))

    mine = aarch64_program(b"x")
    assert known(mine)
    assert known(mine[:16] + b"\x03\0" + mine[18:])  # one that can be loaded anywhere
    assert not known(mine[:18] + b"\x3e\0")  # x86_64
    assert not known(mine[:16] + b"\x01\0" + mine[18:])  # an object file


@pytest.fixture
def program(tmp_path: Path, namespace: None) -> Path:
    """A tree with nothing in it but a program for aarch64."""
    root = tmp_path / "tree"
    make_root(root)
    for name in ("dev", "proc", "run", "tmp"):
        make_root(root / name)
    (root / "hello").write_bytes(aarch64_program(b"hello\n"))
    (root / "hello").chmod(0o755)
    return root


@pytest.mark.build
def test_an_old_kernel_is_told_of(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(kernel, "detached_mount", refuse)
    monkeypatch.setattr(foreign, "_known", {})
    attempts: list[Callable[[], None]] = [
        lambda: foreign.require(TARGET),
        lambda: foreign.run_by(program / "hello", TARGET),
    ]
    for attempt in attempts:
        with pytest.raises(DockyardError) as caught:
            attempt()
        [problem] = caught.value.problems
        assert problem.code == "host.no-foreign-programs"
        assert problem.why.endswith("Operation not permitted") and "Linux 6.7" in problem.fix


@pytest.mark.build
def test_a_foreign_program_runs_in_the_sandbox_alone(program: Path, tmp_path: Path) -> None:
    """The kernel needs to be 6.7 or newer."""
    [pin] = [each for each in load_tools_lock(target=TARGET).packages if each.name == "qemu-user"]
    blobs = Blobs(tmp_path / "blobs")
    fetch_pins([pin], blobs, Origins.of_host(os.environ))
    unpack([blobs.path(pin.digest)], tmp_path / "tools", drop=declared_trees(TARGET)[0].drop)
    emulator = tmp_path / "tools/usr/bin/qemu-aarch64"

    if not foreign.is_known(TARGET):
        foreign.require(TARGET)  # which registers nothing
        with pytest.raises(ProcessFailed, match="the sandbox for /hello could not be set up"):
            run_in_tree(program, ["/hello"])  # and there is no shell to try it with
        foreign.run_by(emulator, TARGET)
    emulator.unlink()  # it was opened before
    assert run_in_tree(program, ["/hello"]).text == "hello\n"
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([program / "hello"], check=True)
