"""The questions to a booted image, from its request and from what its build left."""

from __future__ import annotations

from dockyard.engine.events import Listener, ignore
from dockyard.engine.run import run_plan
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.host import namespace
from dockyard.pipeline.arguments.names import COMMAND_LINE, EXPECTED, MANIFEST
from dockyard.pipeline.build import PlannedImage
from dockyard.pipeline.checks import Built, image_questions
from dockyard.pipeline.expected import Expected
from dockyard.pipeline.layer_steps import mounts_of
from dockyard.pipeline.live_steps import live_settings
from dockyard.pipeline.source import PackageSource
from dockyard.tree.check import Question


def questions_of(
    planned: PlannedImage, store: Store, listener: Listener = ignore, *, every_file: bool = False
) -> list[Question]:
    """What a booted guest is asked about an image: more where the store has its build.

    Enters the namespace where what is expected is still to be noted: call it before any thread is
    started. every_file: ask for the bytes of all files, not of a sample. Raises DockyardError.
    """
    request, steps = planned.request, planned.steps
    built, command_line = None, " ".join(request.command_line)
    if store.has(steps.manifest):
        manifest = store.path(steps.manifest)
        if (found := manifest / COMMAND_LINE).is_file():
            command_line = found.read_text().rstrip("\n")  # with what was found meanwhile
        plan = whole_plan([steps.expected], store, {})
        if plan.to_run:
            namespace.enter()
        run_plan(plan, store, listener)
        expected = Expected.load(store.path(steps.expected) / EXPECTED)
        built = Built(manifest / MANIFEST, expected, every_file)
    return image_questions(
        request.loaded,
        request.source.lock.packages if isinstance(request.source, PackageSource) else None,
        (
            *request.settings.settings,
            *request.settings.record,
            *mounts_of(request),
            *live_settings(request),
        ),
        command_line,
        request.layout,
        request.family,
        built,
        # What a step found in the place of a name, the question of what it found asks for.
        [word for word in request.boot.change.added if "{" not in word] if request.boot else (),
    )
