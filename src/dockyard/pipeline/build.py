"""Plans and builds an image: what `dockyard plan` shows and `dockyard build` runs.

planned = plan_image(loaded, store, origins)   # pure: what would be done, and why
built = build_image(planned, store)            # runs it, and puts the image where it is wanted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine.events import Listener, ignore
from dockyard.engine.holds import Hold
from dockyard.engine.plan import Plan, make_plan
from dockyard.engine.run import carry_out
from dockyard.engine.store import Store
from dockyard.engine.whole import whole_plan
from dockyard.errors import DockyardError, Problem, Severity
from dockyard.formats import by_name as format_by_name
from dockyard.keeping.products import IMAGE, LastPlan, note_product, record_name
from dockyard.packages.origins import Origins
from dockyard.pipeline.arguments.names import FILESYSTEM, MANIFEST
from dockyard.pipeline.artefact import image_id, needs_namespace, write_image
from dockyard.pipeline.foreign import enable_foreign
from dockyard.pipeline.from_packages import read_request
from dockyard.pipeline.image import ImageSteps, image_steps
from dockyard.pipeline.output import (
    is_placed,
    misnamed,
    output_path,
    place,
    placed_files,
    require_placeable,
)
from dockyard.pipeline.output_room import output_room
from dockyard.pipeline.overrides import Overrides
from dockyard.pipeline.policy_place import PolicyPlace, policy_place
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.telling import told

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.keeping.prune import Pruned
    from dockyard.packages.oci.access import Registries
    from dockyard.pipeline.creation import Creation

_PIECE = 1 << 20


@dataclass(frozen=True)
class PlannedImage:
    """An image file that was read and judged, its steps, what is to be done, and where the image
    goes. policy: where its SELinux policy goes, if anywhere. room: what is to be said of the room
    where the image goes.
    """

    request: ImageRequest
    steps: ImageSteps
    plan: Plan
    output: Path
    policy: PolicyPlace | None = None
    room: tuple[Problem, ...] = ()

    @property
    def record_name(self) -> str:
        """Under which name the store keeps this plan, for the reasons of the next."""
        return image_record(self.request.loaded)

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Warnings and notes about the input, to be shown before the work."""
        output = self.request.output
        named = misnamed(self.output, output.format, output.extension)
        room = (each for each in self.room if each not in self._errors)
        return (*self.request.remarks, *named, *room)

    @property
    def _errors(self) -> tuple[Problem, ...]:
        return tuple(each for each in self.room if each.severity is Severity.ERROR)

    def require_placeable(self, store: Store) -> Path:
        """Where the image goes, links followed. Raises DockyardError where it cannot go there, or
        surely finds no room.
        """
        if self._errors:
            raise DockyardError(*self._errors)
        directory = not self.request.output.extension
        return require_placeable(self.output, self.request.inputs, store, directory=directory)


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that was built. path: where it is. changed: whether any step ran. placed: whether it
    was written there now. files: how many names it has. given_up: what was removed from the store
    to stay below its limit; None where nothing ran. artifacts: files taken out for signing, the
    file that has them put back first.
    """

    path: Path
    manifest: Path
    format: str
    packages: int
    files: int
    changed: bool
    placed: bool
    verified: bool
    given_up: Pruned | None = None
    artifacts: tuple[Path, ...] = ()


def plan_image(
    loaded: LoadedImage,
    store: Store,
    origins: Origins,
    output_format: str | None = None,
    rpm_sources: Sequence[Path] = (),
    output: Path | None = None,
    level: int | None = None,
    creation: Creation | None = None,
) -> PlannedImage:
    """Read all that an image file needs, and plan its build. Changes nothing.

    creation: what takes the place of a distribution's file and a lock. output: where the image
    goes; level: of compression; in place of what the file says. Raises DockyardError with every
    mistake of the input.
    """
    request = read_request(
        loaded,
        store.root,
        origins,
        output_format,
        rpm_sources,
        placed_files(store),
        level,
        creation,
    )
    steps = image_steps(request)
    plan = make_plan(steps.goals, store, LastPlan(store, image_record(loaded)))
    if plan.to_run:
        # It reads metadata by libraries that an unchanged build need not load.
        from dockyard.pipeline.required import require_parts

        require_parts(request)
    policy = policy_place(request.loaded, None)
    goes = output_path(request, output)
    room = output_room(request, steps, goes, store)
    return PlannedImage(request, steps, plan, goes, policy, room)


def plan_customization(
    loaded: LoadedImage,
    store: Store,
    origins: Origins,
    overrides: Overrides,
    registries: Registries,
    listener: Listener = ignore,
) -> PlannedImage:
    """Read the image that an image file is to be applied to, and plan that. An image that is
    new to the store is read, in the namespace, one that is no raw disk converted for that, as the
    plan has it, and one that is in a registry fetched; nothing else is changed. Raises
    DockyardError with every mistake.
    """
    from dockyard.pipeline.customize import read_customization

    placed = placed_files(store)
    request = read_customization(loaded, overrides, store, origins, registries, placed, listener)
    steps = image_steps(request)
    plan = make_plan(steps.goals, store, LastPlan(store, image_record(loaded)))
    policy = policy_place(request.loaded, overrides.policy)
    goes = output_path(request, overrides.output)
    room = output_room(request, steps, goes, store)
    return PlannedImage(request, steps, plan, goes, policy, room)


def image_record(loaded: LoadedImage) -> str:
    """Under which name the store keeps the last plan of an image."""
    return record_name(IMAGE, loaded.path, loaded.told_apart_by)


def without_damage(
    planned: PlannedImage, store: Store, *, mend: bool = True, whole_parts: bool = False
) -> PlannedImage:
    """The same build, planned so that nothing is made of a result that is damaged, or given out.

    mend: remove what is damaged, so that the steps that run find its place free. whole_parts: read
    all of the file systems that are there: the image is to be written from them.
    """
    steps = planned.steps
    read = filesystems_of(planned) if whole_parts else {}
    last = LastPlan(store, planned.record_name)
    return replace(planned, plan=whole_plan(steps.goals, store, last, mend=mend, read=read))


def filesystems_of(planned: PlannedImage) -> dict[str, str]:
    """The file systems that an image is written from: by step id, the file of the result."""
    return {step.id: FILESYSTEM for step in planned.steps.filesystems.values()}


def is_written(planned: PlannedImage, store: Store) -> bool:
    """Whether the image is where it is wanted, as its parts make it."""
    identity = image_id(planned.request, planned.steps, store)
    return is_placed(identity, planned.require_placeable(store), store)


def build_image(
    planned: PlannedImage,
    store: Store,
    listener: Listener = ignore,
    *,
    jobs: int = 2,
    verify: bool = False,
    read: bool = False,
) -> BuiltImage:
    """Run what was planned, and put the image where it is wanted.

    Enters the namespace when there is something to do: call it before any thread is started.
    verify: build twice, from nothing, and compare every byte. read: all of the file systems that
    are there were read by this process just now. Raises DockyardError.
    """
    steps = planned.steps
    target = planned.require_placeable(store)
    with Hold(store) as hold:
        placing = not is_written(planned, store)
        planned = without_damage(planned, store, whole_parts=placing and not read)
        if planned.plan.to_run:
            from dockyard.keeping.limit import limit_of

            limit_of(store.root)  # refused now, not when all is made
            enable_foreign(planned.request, store, listener)
        policy = planned.policy
        inside = verify or policy is not None or (placing and needs_namespace(steps))
        carry_out(planned.plan, hold, store, listener, jobs=jobs, inside=inside)
        if verify:
            from dockyard.pipeline.verify import verify_build

            verify_build(planned.request, steps, store, listener, jobs)
        note_plan(planned, store)
        if policy is not None:
            _place_policy(planned, policy, store)
        placed = _place(planned, target, store, listener)
        artifacts = _artifacts(planned, store)
        given_up = None
        if planned.plan.to_run:
            from dockyard.keeping.limit import within_limit

            given_up = within_limit(store)
        return _built(planned, store, target, placed, verify, given_up, artifacts)


def note_plan(planned: PlannedImage, store: Store) -> None:
    """Keep what the plan was and of what, where that has changed."""
    # What `boot --check` makes on top is the image's, too.
    asked, name = planned.steps.expected, planned.record_name
    record = {**planned.plan.record, asked.name: asked.record}
    if store.record(name) != record:
        store.keep_record(name, record)
    request = planned.request
    digests = (pin.digest for pin in request.source.pins)
    note_product(store, name, IMAGE, request.product, request.loaded.path, digests)


def _built(
    planned: PlannedImage,
    store: Store,
    target: Path,
    placed: bool,
    verified: bool,
    given_up: Pruned | None,
    artifacts: tuple[Path, ...],
) -> BuiltImage:
    steps = planned.steps
    manifest = store.path(steps.manifest) / MANIFEST
    with manifest.open("rb") as lines:
        files = sum(piece.count(b"\n") for piece in iter(lambda: lines.read(_PIECE), b""))
    return BuiltImage(
        path=target,
        manifest=manifest,
        format=planned.request.output.format,
        packages=planned.request.source.package_count,
        files=files,
        changed=bool(planned.plan.to_run),
        placed=placed,
        verified=verified,
        given_up=given_up,
        artifacts=artifacts,
    )


def _artifacts(planned: PlannedImage, store: Store) -> tuple[Path, ...]:
    if planned.request.loaded.image.output.artifacts is None:
        return ()
    from dockyard.pipeline.artifacts import write_artifacts

    return write_artifacts(planned.request, planned.steps, store)


def _place_policy(planned: PlannedImage, policy: PolicyPlace, store: Store) -> None:
    """Write the SELinux policy of the image where it is wanted."""
    from dockyard.pipeline.policy_output import write_policy
    from dockyard.pipeline.stack import load_root

    steps = planned.steps
    named = {step.name: step for step in (*steps.layers, steps.root)}
    root = load_root(
        lambda name: store.path(named[name]), steps.root.name, [step.name for step in steps.layers]
    )
    write_policy(root, policy)


def _place(planned: PlannedImage, target: Path, store: Store, listener: Listener) -> bool:
    """Write the image where it is wanted, if it is not there; told as a step is."""
    request, steps = planned.request, planned.steps
    identity = image_id(request, steps, store)
    assert identity is not None  # all parts have been made
    title = f"Write {target.name}, {request.output.format}"

    def write(out: Path) -> tuple[Path, ...]:
        reason = "it is not there as its parts make it"
        work = partial(write_image, request, steps, store, out)
        return told(listener, identity, title, reason, work)

    keeps_modes = format_by_name(request.output.format).keeps_modes
    return place(write, identity, target, store, keeps_modes=keeps_modes)
