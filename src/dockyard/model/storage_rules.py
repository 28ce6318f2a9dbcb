"""The rules of `storage`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dockyard.model.base import Mistake

if TYPE_CHECKING:
    from dockyard.model import storage as m


def partition(value: m.Partition) -> Iterator[Mistake]:
    yield from ()


disk = mount_point = quota = subvolume = subvolumes = file_system = partition  # type: ignore
identified_partition = verity = storage = partition  # type: ignore
