"""Makes the hash tree of a file system, and finds its root hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.disk import verity
from dockyard.host.files import copy_sparse
from dockyard.pipeline.arguments.names import FILESYSTEM, ROOT_HASH, TOOLS
from dockyard.pipeline.arguments.verity import MakeVerity, ProveVerity
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_verity(work: Work, wanted: MakeVerity) -> None:
    """Fills `filesystem`, the hash partition, or the partition of both; and `roothash`."""
    data, out = work.result(wanted.filesystem) / FILESYSTEM, work.out / FILESYSTEM
    superblock = verity.Superblock(wanted.uuid, wanted.data_size, bytes.fromhex(wanted.salt))
    work.progress(f"{wanted.data_size >> 20} MiB")
    if wanted.inline:
        copy_sparse(data, out)
    root = verity.write_tree(data, superblock, out, wanted.data_size if wanted.inline else 0)
    (work.out / ROOT_HASH).write_text(f"{root.hex()}\n")


def prove_verity(work: Work, wanted: ProveVerity) -> None:
    """Has veritysetup(8) hold data against their hash tree. Fills nothing."""
    made = work.result(wanted.made)
    hashes = made / FILESYSTEM
    data, options = work.result(wanted.verity.filesystem) / FILESYSTEM, []
    if wanted.verity.inline:
        data, options = hashes, [f"--hash-offset={wanted.verity.data_size}"]
    root = (made / ROOT_HASH).read_text().strip()
    argv = ["veritysetup", "verify", *options, str(data), str(hashes), root]
    trees_in(work.result(TOOLS)).main.run(argv, read=[data, hashes])
