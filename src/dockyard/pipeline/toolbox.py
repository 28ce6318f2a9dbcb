"""The tools that a lock pins, unpacked when the first step needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dockyard
from dockyard.engine.plan import Step, Work
from dockyard.model.packages import Pin
from dockyard.packages.deb.sources import Origins
from dockyard.tools.trees import (
    ToolTrees,
    Unpacked,
    require_whole,
    tools_tree,
    trees_path,
)

if TYPE_CHECKING:
    from dockyard.packages.fetch import FetchEvent


@dataclass(frozen=True)
class Toolbox:
    """step: the step that unpacks the tools; every step that runs one has it among its inputs.

    open: gives the trees; quick when they are unpacked.
    """

    step: Step
    open: Callable[[], ToolTrees]

    @property
    def trees(self) -> ToolTrees:
        """The unpacked trees."""
        return self.open()


def open_toolbox(
    pins: Sequence[Pin], store: Path, origins: Origins, lock_file: Path, remake: str
) -> Toolbox:
    """The toolbox of the tools that a lock pins. origins: where their packages are fetched from.

    remake: the command that makes the lock anew. Raises DockyardError (`tools.lock-stale`) for a
    lock that does not pin all of them.
    """
    place = trees_path(store, pins)
    if not place.is_dir():  # what is unpacked was whole
        require_whole(pins, str(lock_file), remake)

    def work(work: Work) -> None:
        def told(event: FetchEvent | Unpacked) -> None:
            if isinstance(event, Unpacked):
                work.progress(f"unpacking {event.label}", event.done, event.total, "packages")
            else:
                work.progress(f"fetching {event.wanted.label}")

        tools_tree(store, pins, told, origins=origins)

    identity = {
        "packages": f"sha256:{place.name}",
        "Dockyard's code": f"sha256:{code_digest()}",
    }
    step = Step("tools", f"Unpack {len(pins)} packages of tools", identity, (), work, place=place)
    return Toolbox(step, lambda: tools_tree(store, pins, origins=origins))


@cache
def code_digest() -> str:
    """SHA-256 over Dockyard's own source files: results of other code are not reused."""
    root = Path(dockyard.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()
