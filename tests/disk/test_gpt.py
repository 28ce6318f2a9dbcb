"""The partition table that is written is the one that was asked for, by our reader and sfdisk."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.disk import gpt
from dockyard.errors import DockyardError
from dockyard.host.sandbox import Tools

MIB = 1 << 20
ESP = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
LINUX = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
TABLE = gpt.Table(
    UUID("00112233-4455-6677-8899-aabbccddeeff"),
    64 * MIB,
    (
        gpt.TableEntry(1, ESP, UUID(int=1), MIB, 8 * MIB, "esp"),
        gpt.TableEntry(2, LINUX, UUID(int=2), 9 * MIB, 54 * MIB, "Wurzel-ß", 1 << 59),
    ),
)


def written(table: gpt.Table) -> io.BytesIO:
    disk = io.BytesIO(bytes(table.size))
    gpt.write(table, disk)
    return disk


@pytest.mark.parametrize(
    ("start", "size", "why"),
    [
        (63 * MIB - 512, MIB - 32 * 512, None),
        (MIB, MIB, "it lies over partition 1"),
        (62 * MIB, MIB, "it lies over partition 2"),
        *((start, size, "it is not on the disk, or lies over the partition table")
          for start, size in ((1 << 40, MIB), (63 * MIB, MIB), (33 * 512, 512), (63 * MIB, 0))),
    ],
)  # fmt: skip
def test_partitions_that_cannot_lie_side_by_side_are_told(
    start: int, size: int, why: str | None
) -> None:
    entry = gpt.TableEntry(3, LINUX, UUID(int=3), start, size)
    table = replace(TABLE, entries=(replace(TABLE.entries[1], size=54 * MIB - 512), entry,
                                    TABLE.entries[0]))  # fmt: skip
    assert [(each.number, told) for each, told in table.misplaced()] == ([(3, why)] if why else [])


def test_what_is_written_is_read() -> None:
    assert gpt.read(written(TABLE)) == TABLE


def test_the_disk_keeps_its_size() -> None:
    assert len(written(TABLE).getvalue()) == TABLE.size


def test_the_second_copy_serves_when_the_first_is_damaged() -> None:
    disk = written(TABLE)
    disk.seek(gpt.SECTOR + 60)
    disk.write(b"damage")
    assert gpt.read(disk) == TABLE


def test_a_damaged_entry_is_noticed_by_its_checksum() -> None:
    disk = written(TABLE)
    for at in (2 * gpt.SECTOR + 40, TABLE.size - gpt.TAIL_SECTORS * gpt.SECTOR + 40):
        disk.seek(at)
        disk.write(b"\x07")
    with pytest.raises(DockyardError) as error:
        gpt.read(disk)
    assert error.value.problems[0].code == "disk.no-gpt"


@given(st.binary(max_size=4096))
def test_any_bytes_are_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(DockyardError):
        gpt.read(io.BytesIO(data))


def test_the_protective_mbr_covers_the_disk() -> None:
    sector = written(TABLE).getvalue()[:512]
    assert sector[510:] == b"\x55\xaa"
    assert sector[450] == 0xEE
    assert int.from_bytes(sector[454:458], "little") == 1
    assert int.from_bytes(sector[458:462], "little") == TABLE.size // 512 - 1


@pytest.mark.build
def test_sfdisk_reads_the_same_table(tools: Tools, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(written(TABLE).getvalue())
    verified = tools.run(["sfdisk", "--verify", str(disk)], read=[disk])
    assert "No errors detected" in verified.text
    listing = json.loads(tools.run(["sfdisk", "--json", str(disk)], read=[disk]).stdout)
    found = listing["partitiontable"]
    assert UUID(found["id"]) == TABLE.guid
    assert found["firstlba"] == gpt.FIRST_USABLE
    entries = [
        (UUID(item["type"]), UUID(item["uuid"]), item["start"] * 512, item["size"] * 512)
        for item in found["partitions"]
    ]
    assert entries == [(item.type_guid, item.guid, item.start, item.size) for item in TABLE.entries]
    assert found["partitions"][1]["attrs"] == "GUID:59"
    assert [item["name"] for item in found["partitions"]] == ["esp", "Wurzel-ß"]
