"""A COSI file of a stranger is refused with a reason, whatever is wrong with it."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from backports import zstd

from dockyard.disk import gpt
from dockyard.errors import DockyardError
from dockyard.formats.containers import container_of, raw_disk
from dockyard.formats.cosi_reader import read_disk
from dockyard.host.sandbox import Tools

MIB = 1 << 20
SIZE = 8 * MIB
KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
DATA = b"content" * 1000


def disk() -> bytes:
    entries = (
        gpt.TableEntry(1, KIND, UUID(int=1), MIB, MIB, "one"),
        gpt.TableEntry(2, KIND, UUID(int=2), 2 * MIB, 3 * MIB, "two"),
    )
    out = io.BytesIO(bytes(SIZE))
    gpt.write(gpt.Table(UUID(int=9), SIZE, entries), out)
    out.seek(MIB)
    out.write(DATA)
    return out.getvalue()


def image_of(path: str, data: bytes, stored: bytes) -> dict[str, Any]:
    return {
        "path": path,
        "compressedSize": len(stored),
        "uncompressedSize": len(data),
        "sha384": hashlib.sha384(stored).hexdigest(),
    }


class Made:
    """A COSI file whose parts and metadata can be changed before it is written."""

    def __init__(self) -> None:
        whole = disk()
        self.plain = {
            "images/gpt": whole[: 34 * 512],
            "images/1": whole[MIB : 2 * MIB],
            "images/2": whole[2 * MIB : 5 * MIB],
        }
        self.stored = {path: zstd.compress(data) for path, data in self.plain.items()}
        self.told: dict[str, Any] = {
            "version": "1.2",
            "disk": {"size": SIZE, "type": "gpt", "lbaSize": 512, "gptRegions": []},
        }
        for number, (path, data) in enumerate(self.plain.items()):
            region: dict[str, Any] = {"image": image_of(path, data, self.stored[path])}
            region |= {"type": "partition", "number": number} if number else {"type": "primary-gpt"}
            self.told["disk"]["gptRegions"].append(region)
        self.kind = tarfile.REGTYPE

    def part(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.told["disk"]["gptRegions"][number]["image"]
        return found

    def store(self, number: int, stored: bytes) -> None:
        """Give a part another content, with the right digest."""
        part = self.part(number)
        self.stored[part["path"]] = stored
        part |= {"compressedSize": len(stored), "sha384": hashlib.sha384(stored).hexdigest()}

    def write(self, path: Path, text: bytes | None = None) -> Path:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
            text = json.dumps(self.told).encode() if text is None else text
            for name, data in {"cosi-marker": b"", "metadata.json": text, **self.stored}.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                member.type = self.kind if name.startswith("images") else tarfile.REGTYPE
                file.addfile(member, io.BytesIO(data))
        return path


def test_a_file_of_another_writer_is_read(tmp_path: Path) -> None:
    image = Made().write(tmp_path / "image")
    with image.open("ab") as file:
        file.write(b"whatever follows")
    assert container_of(image) == "cosi"
    assert raw_disk(image, tmp_path, Tools(tmp_path)).size == SIZE
    assert (tmp_path / "disk").read_bytes() == disk()


def test_frames_may_follow_one_another_and_some_be_skipped(tmp_path: Path) -> None:
    made = Made()
    data = made.plain["images/2"]
    skipped = (0x184D2A5F).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"hello"
    frames = skipped + zstd.compress(data[:1000]) + skipped + zstd.compress(data[1000:]) + skipped
    made.store(2, frames)
    read_disk(made.write(tmp_path / "image"), tmp_path / "disk")
    assert (tmp_path / "disk").read_bytes() == disk()


def test_a_part_that_was_shrunk_leaves_the_rest_of_its_partition_empty(tmp_path: Path) -> None:
    made = Made()
    made.store(1, zstd.compress(made.plain["images/1"][: MIB // 2]))
    made.part(1)["uncompressedSize"] = MIB // 2
    read_disk(made.write(tmp_path / "image"), tmp_path / "disk")
    assert (tmp_path / "disk").read_bytes() == disk()


def _size(made: Made) -> None:
    made.told["disk"]["size"] = 1 << 70


def _elsewhere(made: Made) -> None:
    made.told["disk"]["size"] = SIZE * 2


def _digest(made: Made) -> None:
    made.part(2)["sha384"] = "0" * 96


def _path(made: Made) -> None:
    made.part(2)["path"] = "../../etc/passwd"


def _absent(made: Made) -> None:
    made.part(2)["path"] = "images/none"


def _bomb(made: Made) -> None:
    made.store(2, zstd.compress(bytes(64 * MIB)))


def _short(made: Made) -> None:
    made.store(2, zstd.compress(bytes(MIB)))


def _larger(made: Made) -> None:
    made.store(1, zstd.compress(bytes(2 * MIB)))
    made.part(1)["uncompressedSize"] = 2 * MIB


def _cut(made: Made) -> None:
    made.store(2, made.stored["images/2"][:-3])


def _no_zstd(made: Made) -> None:
    made.store(2, b"no zstd at all")


def _window(made: Made) -> None:
    # A frame that asks for a window of 2 GiB, where the metadata claims one of 128 MiB.
    made.store(2, bytes.fromhex("28b52ffd") + b"\x00" + bytes([21 << 3]) + b"\x01\x00\x00")


def _overlap(made: Made) -> None:
    entries = (
        gpt.TableEntry(1, KIND, UUID(int=1), MIB, 2 * MIB),
        gpt.TableEntry(2, KIND, UUID(int=2), 2 * MIB, 3 * MIB),
    )
    out = io.BytesIO(bytes(SIZE))
    gpt.write(gpt.Table(UUID(int=9), SIZE, entries), out)
    made.store(0, zstd.compress(out.getvalue()[: 34 * 512]))


def _no_table(made: Made) -> None:
    made.store(0, zstd.compress(bytes(34 * 512)))


def _regions(made: Made) -> None:
    made.told["disk"]["gptRegions"].append(copy.deepcopy(made.told["disk"]["gptRegions"][1]))


def _number(made: Made) -> None:
    made.told["disk"]["gptRegions"][2]["number"] = 7


def _first(made: Made) -> None:
    made.told["disk"]["gptRegions"].reverse()


def _older(made: Made) -> None:
    made.told = {"version": "1.1", "images": []}


def _sectors(made: Made) -> None:
    made.told["disk"]["lbaSize"] = 4096


def _link(made: Made) -> None:
    made.kind = tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (_size, "disk.size is no number"),
        (_elsewhere, "the second partition table is not at the end"),
        (_digest, "does not have the SHA-384"),
        (_path, "a part is not below images/"),
        (_absent, "it has no images/none"),
        (_bomb, "holds more than"),
        (_short, "holds 1048576 bytes, not 3145728"),
        (_larger, "is larger than that"),
        (_cut, "ends too early"),
        (_no_zstd, "Unknown frame descriptor"),
        (_window, "too much memory"),
        (_overlap, "is not on the disk, or not by itself"),
        (_no_table, "not sound"),
        (_regions, "two regions are of the same partition"),
        (_number, "the table has no partition 7"),
        (_first, "must be the primary partition table"),
        (_older, "revision 1.1, which does not have the partition table"),
        (_sectors, "sectors of 512 bytes"),
        (_link, "is no regular file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, break_it: Callable[[Made], None], why: str) -> None:
    made = Made()
    break_it(made)
    with pytest.raises(DockyardError) as caught:
        read_disk(made.write(tmp_path / "image"), tmp_path / "disk")
    (problem,) = caught.value.problems
    assert problem.code == "image.not-a-disk"
    assert why in problem.why


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"version": "1.2", "disk": null}', b"1e999"],
)
def test_metadata_that_are_none_are_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(DockyardError) as caught:
        read_disk(Made().write(tmp_path / "image", text), tmp_path / "disk")
    assert caught.value.problems[0].code == "image.not-a-disk"


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = Made().write(tmp_path / "image").read_bytes()
    end = len(whole.rstrip(b"\0"))
    for at in (0, 100, 512, 1000, 1536, end // 2, end - 1):
        (tmp_path / "cut").write_bytes(whole[:at])
        with pytest.raises(DockyardError):
            read_disk(tmp_path / "cut", tmp_path / "disk")
