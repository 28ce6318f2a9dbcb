"""UKIs are byte for byte what ukify(1) makes of the same; what is no program is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dockyard.disk import efi
from dockyard.disk.pe import NX_COMPATIBLE, Added, Program, extended
from dockyard.disk.uki import UkiContent, build_addon, build_uki
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.family import SYSTEMD_BOOT

RELEASE = b'ID=harbor\nPRETTY_NAME="Harbor Linux"\n'
NAMES = [".osrel", ".cmdline", ".uname", ".linux", ".initrd"]


@pytest.fixture
def stub(tools: Tools, tmp_path: Path) -> bytes:
    root = tmp_path / "empty"
    root.mkdir()
    return efi.stub(root, tools, SYSTEMD_BOOT, Architecture.X86_64)


def content(stub: bytes, folder: Path, kernel: bytes | None = None) -> UkiContent:
    """Any EFI program passes for a kernel here; nothing starts it."""
    initrd = folder / "initrd"
    initrd.write_bytes(b"initrd" * 1001)
    return UkiContent(kernel or stub, initrd, "root=PARTUUID=1 rw", RELEASE, "6.12.0-test", stub)


def by_ukify(tools: Tools, given: UkiContent, folder: Path) -> bytes:
    folder.mkdir()
    texts = {"os-release": given.os_release, "cmdline": given.command_line.encode()}
    argv = ["ukify", "build", f"--uname={given.uname}", f"--initrd={given.initrd}"]
    for name, data in {**texts, "linux": given.kernel, "stub": given.stub}.items():
        (folder / name).write_bytes(data)
        argv.append(f"--{name}={'@' if name in texts else ''}{folder / name}")
    out = folder / "uki"
    argv.append(f"--output={out}")
    env = {"SOURCE_DATE_EPOCH": "1767225600"}
    tools.run(argv, read=[given.initrd], write=[folder], env=env)
    return out.read_bytes()


def without_nx(program: bytes) -> bytes:
    data = bytearray(program)
    at = Program(program, "").optional_at + 70
    flags = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<H", data, at, flags & ~NX_COMPATIBLE)
    return bytes(data)


def with_symbols(program: bytes) -> bytes:
    """A program with a table of one symbol, and of no text, at its end."""
    data = bytearray(program)
    struct.pack_into("<II", data, Program(program, "").coff_at + 8, len(data), 1)
    return bytes(data) + bytes(18) + struct.pack("<I", 4)


@pytest.mark.build
@pytest.mark.parametrize("which", ["plain", "nx", "symbols", "no-sbat", "no-sbat-at-all"])
def test_it_is_what_ukify_makes(tools: Tools, stub: bytes, tmp_path: Path, which: str) -> None:
    bare = stub.replace(b".sbat\0\0\0", b".tabs\0\0\0")
    kernels = {"nx": without_nx(stub), "no-sbat": bare, "no-sbat-at-all": bare}
    stubs = {"symbols": with_symbols(stub), "no-sbat-at-all": bare}
    given = content(stubs.get(which, stub), tmp_path, kernels.get(which, stub))
    out = tmp_path / "made.efi"
    build_uki(given, out)
    found = out.read_bytes()
    assert found == by_ukify(tools, given, tmp_path / "slow")
    assert Program(found, "").is_nx_compatible is (which != "nx")
    names = [section.name for section in Program(found, "").sections]
    last = [*NAMES, ".sbat"] if which == "no-sbat-at-all" else NAMES
    assert names[-len(last) :] == last


@pytest.mark.build
def test_it_holds_what_it_was_given(stub: bytes, tmp_path: Path) -> None:
    given = content(stub, tmp_path)
    out = tmp_path / "made.efi"
    build_uki(given, out)
    made = Program(out.read_bytes(), "the image")
    expected = {
        ".osrel": RELEASE,
        ".cmdline": b"root=PARTUUID=1 rw",
        ".uname": b"6.12.0-test",
        ".linux": stub,
        ".initrd": given.initrd.read_bytes(),
    }
    sizes = {section.name: section.size for section in made.sections}
    for name, data in expected.items():
        found = made.content(name)
        assert found is not None and found[: sizes[name]] == data
    table = (made.content(".sbat") or b"").rstrip(b"\0").decode().splitlines()
    assert [line.partition(",")[0] for line in table][:2] == ["sbat", "systemd-stub"]
    assert table[-1].startswith("uki,1,")


@pytest.mark.build
def test_an_addon_is_what_ukify_makes(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    stub = efi.addon_stub(tmp_path / "empty", tools, SYSTEMD_BOOT, Architecture.X86_64)
    words, made, slow = 'selinux=1 a="b c"', tmp_path / "made", tmp_path / "slow"
    build_addon(words, stub, made)
    slow.mkdir()
    argv = ["ukify", "build", f"--cmdline={words}", f"--output={slow / 'addon'}"]
    tools.run(argv, write=[slow], env={"SOURCE_DATE_EPOCH": "1767225600"})
    assert made.read_bytes() == (slow / "addon").read_bytes()
    assert Program(made.read_bytes(), "").exact(".cmdline") == words.encode()


@pytest.mark.build
def test_a_signed_stub_and_one_without_room_are_refused(stub: bytes, tmp_path: Path) -> None:
    signed = bytearray(stub)
    at = Program(stub, "").optional_at + 112 + 4 * 8
    struct.pack_into("<II", signed, at, 512, 8)
    out = tmp_path / "made.efi"
    for data, added, why in (
        (bytes(signed), [Added(".x", b"x")], "it is signed"),
        (stub, [Added(f".x{number}", b"x") for number in range(100)], "have no room"),
        (stub, [Added(".sbat", b"x" * 10_000)], "section .sbat has no room"),
    ):
        with pytest.raises(DockyardError) as caught:
            extended(Program(data, "the stub"), added, out)
        assert why in caught.value.problems[0].why
        assert not out.exists()


@pytest.mark.parametrize("data", [b"", b"MZ", b"no program", b"MZ" + bytes(62) + b"PE\0\0"])
def test_what_is_no_program_is_refused_and_leaves_nothing(data: bytes, tmp_path: Path) -> None:
    given = UkiContent(data, tmp_path / "absent", "", b"", "1", data)
    (tmp_path / "out").mkdir()
    with pytest.raises(DockyardError) as caught:
        build_uki(given, tmp_path / "out/x.efi")
    assert caught.value.problems[0].code == "disk.not-a-program"
    assert list((tmp_path / "out").iterdir()) == []
