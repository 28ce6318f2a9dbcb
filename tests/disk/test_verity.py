"""Hash trees are those of veritysetup, and one that shares a partition wastes not a block of it."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.disk import verity
from dockyard.disk.verity import BLOCK, Superblock
from dockyard.host.process import ProcessFailed
from dockyard.host.sandbox import Tools

MIB = 1 << 20
ID = UUID("0123456789abcdef0123456789abcdef")
SALT = bytes(range(32))


def data_file(path: Path, blocks: int, *, holes: bool = False) -> Superblock:
    """Random data, every fifth block of which is a hole where asked for."""
    numbers = random.Random(blocks)
    with path.open("wb") as out:
        for number in range(blocks):
            if holes and number % 5 == 2:
                out.seek(BLOCK, 1)
            else:
                out.write(numbers.randbytes(BLOCK))
        out.truncate(blocks * BLOCK)
    return Superblock(ID, blocks * BLOCK, SALT)


@pytest.mark.build
@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 128 * 128, 128 * 128 + 1])
def test_a_tree_is_that_of_veritysetup(tools: Tools, tmp_path: Path, blocks: int) -> None:
    data, ours, theirs = tmp_path / "data", tmp_path / "ours", tmp_path / "theirs"
    superblock = data_file(data, blocks, holes=True)
    root = verity.write_tree(data, superblock, ours)
    theirs.touch()
    options = [f"--salt={SALT.hex()}", f"--uuid={ID}"]
    tools.run(
        ["veritysetup", "format", *options, str(data), str(theirs)], write=[theirs], read=[data]
    )
    assert ours.read_bytes() == theirs.read_bytes()
    assert ours.stat().st_size == verity.tree_size(superblock.data_size)
    tools.run(["veritysetup", "verify", str(data), str(ours), root.hex()], read=[data, ours])
    assert verity.root_hash(data, superblock) == root


@pytest.mark.build
def test_a_changed_bit_is_found(tools: Tools, tmp_path: Path) -> None:
    data, tree = tmp_path / "data", tmp_path / "tree"
    superblock = data_file(data, 1000)
    root = verity.write_tree(data, superblock, tree)
    content = bytearray(data.read_bytes())
    content[700 * BLOCK + 5] ^= 1
    data.write_bytes(content)
    with pytest.raises(ProcessFailed):
        tools.run(["veritysetup", "verify", str(data), str(tree), root.hex()], read=[data, tree])
    assert verity.root_hash(data, superblock) != root


@pytest.mark.build
def test_a_tree_after_its_data(tools: Tools, tmp_path: Path) -> None:
    size = 3 * MIB + 7 * BLOCK
    inside = verity.inline_data_size(size)
    image = tmp_path / "image"
    superblock = data_file(image, inside // BLOCK)
    before = image.read_bytes()
    root = verity.write_tree(image, superblock, image, inside)
    assert image.read_bytes()[:inside] == before
    assert image.stat().st_size <= size
    offset = f"--hash-offset={inside}"
    tools.run(["veritysetup", "verify", offset, str(image), str(image), root.hex()], read=[image])
    told = tools.run(["veritysetup", "dump", offset, str(image)], read=[image]).stdout.decode()
    facts = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    assert facts["UUID"].strip() == str(ID)
    assert facts["Data blocks"].strip() == str(inside // BLOCK)
    assert facts["Salt"].strip() == SALT.hex()


@given(st.integers(min_value=2, max_value=1 << 34))
def test_data_and_tree_fill_a_partition(blocks: int) -> None:
    size = blocks * BLOCK
    inside = verity.inline_data_size(size)
    assert inside % BLOCK == 0
    assert inside + verity.tree_size(inside) <= size
    more = inside + BLOCK
    assert more + verity.tree_size(more) > size


@given(st.integers(min_value=1, max_value=300))
def test_holes_count_as_zeros(blocks: int) -> None:
    """Against a reading of the format that keeps to its words: level by level, whole blocks."""
    content = bytes(blocks * BLOCK)
    while True:
        pieces = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
        content = b"".join(hashlib.sha256(SALT + piece).digest() for piece in pieces)
        if len(content) == 32:
            break
        content = content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")
    assert verity.root_hash(Path("/dev/null"), Superblock(ID, blocks * BLOCK, SALT)) == content


def test_a_superblock_is_read_back() -> None:
    superblock = Superblock(ID, 77 * BLOCK, SALT)
    assert verity.read_superblock(superblock.packed()) == superblock
    assert verity.read_superblock(superblock.packed()[:511]) is None
    for at in (0, 8, 12, 32, 64, 68):  # signature, version, type, algorithm, sizes of blocks
        raw = bytearray(superblock.packed())
        raw[at] ^= 2
        assert verity.read_superblock(bytes(raw)) is None, at
