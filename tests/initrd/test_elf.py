"""What an ELF file asks for is read from its dynamic section, interpreter and dlopen notes."""

from __future__ import annotations

import sys
from pathlib import Path

from fake_root import INTERPRETER, elf
from hypothesis import example, given
from hypothesis import strategies as st

from dockyard.initrd.elf import MAGIC, Dlopen, read, section


def test_everything_that_a_program_asks_for() -> None:
    note = {"feature": "kmod", "priority": "recommended", "soname": ["libkmod.so.2", "libkmod.so"]}
    data = elf(
        ["libc.so.6", "liba.so"],
        runpath="$ORIGIN/../lib:/opt",
        interpreter=INTERPRETER,
        soname="libx.so.1",
        dlopen=[note, {"feature": "bpf", "soname": ["libbpf.so.1"]}],
    )
    found = read(data)
    assert found is not None
    assert found.needed == ("libc.so.6", "liba.so")
    assert found.search == ("$ORIGIN/../lib", "/opt")
    assert (found.interpreter, found.soname) == (INTERPRETER, "libx.so.1")
    assert found.dlopen == (
        Dlopen("kmod", "recommended", ("libkmod.so.2", "libkmod.so")),
        Dlopen("bpf", "recommended", ("libbpf.so.1",)),
    )


def test_notes_that_are_nested_too_deeply_are_none() -> None:
    filled = b"x" * 100_000
    data = elf(["libc.so.6"], dlopen=[{"feature": filled.decode()}])
    found = read(data.replace(filled, b'", "more": '.ljust(len(filled), b"[")))
    assert found is not None and found.needed == ("libc.so.6",) and found.dlopen == ()


def test_a_real_program_of_this_host() -> None:
    found = read(Path(sys.executable).resolve().read_bytes())
    assert found is not None and found.interpreter is not None
    assert any(name.startswith("libc.so") for name in found.needed)


def test_sections_are_found_by_name() -> None:
    data = elf(modinfo=["alias=x", "license=GPL"])
    assert section(data, b".modinfo") == b"alias=x\0license=GPL\0"
    assert section(data, b".text") is None
    assert section(b"#!/bin/sh", b".modinfo") is None


# Places of segments and of sections that no offset of this host can be.
@example(bytes(33) + b"\x80" + bytes(16) + b"\x01" + bytes(5))
@example(bytes(41) + b"\x80" + bytes(13) + b"\x01")
@given(st.binary(max_size=300))
def test_damaged_files_are_no_elf_files(data: bytes) -> None:
    read(MAGIC + b"\x02\x01" + data)
    assert read(data) is None or data.startswith(MAGIC)


def test_cut_files_are_no_elf_files() -> None:
    whole = elf(["libc.so.6"], interpreter=INTERPRETER)
    assert read(whole[:80]) is None
