"""What the steps of dm-verity are called with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MakeVerity:
    """The hash tree of a file system. filesystem: the name of the step that made it. data_size:
    bytes that the tree covers. inline: whether it follows them in the same partition. salt: in hex.
    """

    filesystem: str
    data_size: int
    inline: bool
    uuid: UUID
    salt: str


@dataclass(frozen=True, slots=True)
class ProveVerity:
    """verity: the step whose result is to be read by another program than wrote it."""

    verity: MakeVerity
    made: str
