"""The raw disk of an image that is none: made by the step that a plan has for it, before the image
is judged. So it is converted once, and what is judged is what is taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.engine.events import ignore
from dockyard.engine.holds import Hold
from dockyard.engine.run import carry_out
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.formats.containers import Container, RawDisk, raw_size
from dockyard.pipeline.arguments.existing import ConvertDisk
from dockyard.pipeline.arguments.names import DISK
from dockyard.tools.trees import load_tools_lock, tools_step


def convert_step(
    image: Path, digest: str, stamp: str, container: Container, tools: Step
) -> Step | None:
    """The step that makes the raw disk of an image; None for one that is raw. digest: of its
    content. stamp: see `untouched.stamp_of`.
    """
    if container.is_raw:
        return None
    return Step.of(
        DISK,
        f"Convert {image.name} from {container}",
        "dockyard.pipeline.steps.existing:convert_disk",
        ConvertDisk(digest, str(image), stamp),
        (tools,),
    )


@contextmanager
def raw_disk(
    image: Path, digest: Callable[[], str], stamp: str, container: Container, store: Store
) -> Iterator[RawDisk]:
    """The raw disk of an image, for the length of a block: the file itself, or the result of the
    step. digest: tells that of its content. Inside the namespace. Raises DockyardError.
    """
    if container.is_raw:
        yield RawDisk(image, raw_size(image, container), container)
        return
    tools = tools_step(load_tools_lock().packages)
    step = convert_step(image, digest(), stamp, container, tools)
    assert step is not None
    with Hold(store) as hold:
        carry_out(whole_plan([step], store, {}), hold, store, ignore)
        disk = store.path(step) / DISK
        yield RawDisk(disk, disk.stat().st_size, container)
