"""Images of another architecture than this machine's: their programs are run by an emulator.

It is one of the tools that such an image's lock pins, and so part of what its results are named by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockyard.host.machine import architecture_or_default
from dockyard.tools.declared import TOOLS, target_of

if TYPE_CHECKING:
    from dockyard.engine.events import Listener
    from dockyard.engine.step import Step
    from dockyard.engine.store import Store
    from dockyard.pipeline.request import ImageRequest


def emulator(request: ImageRequest, tools: Step) -> tuple[Step, ...]:
    """What a step that runs programs of an image depends on beside its tree: the tools, where one
    of them runs these programs.
    """
    return () if request.architecture is TOOLS else (tools,)


def enable_foreign(request: ImageRequest, store: Store, listener: Listener) -> None:
    """Have programs of an image run in the sandbox of this process, where they are not for this
    machine: the tools are made first where they are not there.

    Enters the namespace: call it before any thread is started. Raises DockyardError
    (`host.no-foreign-programs`) on kernels that cannot.
    """
    target = request.architecture
    if target is architecture_or_default() or target_of(request.source.tools) is not target:
        return
    from dockyard.host import foreign, namespace
    from dockyard.tools.trees import tools_tree

    namespace.enter()
    foreign.require(target)  # before anything is fetched
    trees = tools_tree(store.root, request.source.tools, listener, origins=request.origins)
    foreign.run_by(trees.emulator(target), target)
