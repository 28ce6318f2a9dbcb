"""FAT images that others made: small FAT32, large sectors, names of every kind, damaged chains."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path

import pytest
from foreign import formatted, survives

from dockyard.errors import DockyardError
from dockyard.filesystems import vfat
from dockyard.filesystems.vfat.volume import ROOT, Volume
from dockyard.host.sandbox import Tools

build = pytest.mark.build
long = pytest.mark.long
CONTENT = b"words " * 5000


def made(tools: Tools, image: Path, size: int, options: str, *commands: str) -> Path:
    """An image, and what commands of mtools do in it: `cp NAME`, `md NAME`, `rm NAME`."""
    formatted(tools, image, size, "mkfs.vfat", *options.split())
    work = image.with_name(image.name + ".files")
    work.mkdir()
    (work / "data").write_bytes(CONTENT)
    lines = ["set -e"]
    for command in commands:
        word, _, name = command.partition(" ")
        target = shlex.quote(f"::/{name}")
        disk = shlex.quote(str(image))
        lines.append(
            {
                "cp": f"mcopy -i {disk} data {target}",
                "md": f"mmd -i {disk} {target}",
                "rm": f"mdel -i {disk} {target}",
                "label": f"mlabel -i {disk} {target}",
            }[word]
        )
    (work / "commands").write_text("\n".join([*lines, ""]))
    env = {"LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    tools.run(["sh", str(work / "commands")], read=[work], write=[image], cwd=work, env=env)
    return image


def why(image: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        vfat.read(image)
    problem = caught.value.problems[0]
    assert problem.code == "filesystems.unreadable-image"
    return problem.why


@build
@pytest.mark.parametrize(
    ("size", "options", "bits"),
    [
        (20, "-F 32 -s 1 -n ESP", 32),
        (40, "-F 32 -s 8 -n ESP", 32),  # with few clusters it is FAT32 all the same
        (300, "-F 32 -S 4096", 32),
        (60, "-F 16 -S 2048 -n EFI", 16),
        (2, "-F 12", 12),
    ],
)
def test_every_kind_is_read(
    tools: Tools, tmp_path: Path, size: int, options: str, bits: int
) -> None:
    names = ["BOOT.EFI", "lower.efi", "Mixed Case.conf", "grün 💾.txt", "n" * 200, "a.b.c"]
    commands = ["md EFI", "md EFI/fedora", *(f"cp EFI/fedora/{name}" for name in names)]
    gone = ["cp gone-with-a-long-name.txt", "rm gone-with-a-long-name.txt", "label NEW"]
    image = made(tools, tmp_path / "image", size, options, *commands, *gone)
    found = vfat.read(image)
    assert Volume(image).bits == bits
    expected = {"EFI", "EFI/fedora", *(f"EFI/fedora/{name}" for name in names)}
    if any("💾".encode() in entry.path for entry in found):
        assert {entry.path.decode() for entry in found} == {"", *expected}
    else:  # some releases of mtools have no names beyond the basic plane
        assert len(found) == len(expected) + 1
    assert found.read(b"EFI/fedora/a.b.c") == CONTENT


@build
def test_names(tools: Tools, tmp_path: Path) -> None:
    image = made(
        tools, tmp_path / "image", 2, "-F 12", "cp SHORT.TXT", "cp a-long-name-of-file", "cp OTHER"
    )
    content = image.read_bytes()
    # A small o with diaeresis in code page 437, and both parts in small letters.
    at = content.index(b"SHORT   TXT")
    changed = bytearray(content)
    changed[at : at + 11] = b"SH\x94RT   TXT"
    changed[at + 12] = 0x18
    at = content.index(b"OTHER      ")
    changed[at] = 0x05  # stands for the byte that marks what was deleted
    # The first half of a surrogate pair alone.
    at = content.index("long".encode("utf-16-le")[:4])
    changed[at : at + 2] = b"\x3d\xd8"
    image.write_bytes(changed)
    assert [entry.path for entry in vfat.read(image)] == [
        b"",
        b"a-\xed\xa0\xbdong-name-of-file",
        "shört.txt".encode(),
        "σTHER".encode(),
    ]
    # A program that knows no long names has renamed the file.
    changed[content.index(b"A-LONG~1")] = ord("B")
    image.write_bytes(changed)
    assert b"B-LONG~1" in [entry.path for entry in vfat.read(image)]


@build
@pytest.mark.parametrize(("size", "bits"), [(2, 12), (20, 16), (40, 32)])
def test_chains_that_lead_nowhere_are_refused(
    tools: Tools, tmp_path: Path, size: int, bits: int
) -> None:
    image = made(tools, tmp_path / "image", size, f"-F {bits} -s 1", "md D", "cp D/FILE")
    volume, content = Volume(image), image.read_bytes()
    root = next(iter(volume.names(ROOT)))
    table = content.index(b"\xf8\xff" if bits < 32 else b"\xf8\xff\xff\x0f")
    for value, named in (
        (1, "a chain of clusters leads out of it"),
        (0x0FFFFFF7 & (1 << bits) - 1, "a chain of clusters leads out of it"),
        (root.cluster, "a directory has no clusters, or no end"),
    ):
        changed = bytearray(content)
        if bits == 12:
            at = table + root.cluster * 3 // 2
            (pair,) = struct.unpack_from("<H", changed, at)
            odd = root.cluster & 1
            pair = pair & 0xF | value << 4 if odd else pair & 0xF000 | value & 0xFFF
            struct.pack_into("<H", changed, at, pair)
        else:
            form = "<H" if bits == 16 else "<I"
            struct.pack_into(form, changed, table + root.cluster * bits // 8, value)
        image.write_bytes(changed)
        assert why(image) == named


@build
@pytest.mark.parametrize(("name", "size"), [("F12", 2), ("F16", 20), ("F32", 40)])
@pytest.mark.parametrize("rounds", [40, pytest.param(400, marks=long)])
def test_random_damage(tools: Tools, tmp_path: Path, name: str, size: int, rounds: int) -> None:
    commands = [f"cp D{index % 4}/file-{index}.txt" for index in range(40)]
    directories = [f"md D{index}" for index in range(4)]
    image = made(tools, tmp_path / name, size, f"-F {name[1:]} -s 1", *directories, *commands)
    outcomes = survives(vfat.read, image, rounds)
    assert sum(outcomes.values()) == rounds
