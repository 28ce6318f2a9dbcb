"""Finds what was built from an image file, for the verbs that look at it afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.cli.customization import customizes
from dockyard.cli.display import display
from dockyard.cli.input_options import registries_of
from dockyard.errors import DockyardError, Problem
from dockyard.model.architecture import Architecture

if TYPE_CHECKING:
    from dockyard.config import LoadedImage
    from dockyard.engine.store import Store
    from dockyard.model.input import InputImage
    from dockyard.model.packages import Pin
    from dockyard.pipeline.build import PlannedImage
    from dockyard.pipeline.creation import Creation
    from dockyard.pipeline.overrides import Overrides
    from dockyard.tree.check import Question


@dataclass(frozen=True, slots=True)
class Artefact:
    """A built image, its format, what is to be true when it runs, and the tools that its lock pins.

    name: the image's. bios: whether a BIOS starts it. write: writes the image into a directory from
    what the store has of it, and gives where it is.
    """

    name: str
    write: Callable[[Path], Path]
    format: str
    questions: Sequence[Question]
    tools: Sequence[Pin]
    bios: bool = False
    architecture: Architecture = Architecture.X86_64


def questions_for(
    loaded: LoadedImage,
    store: Path,
    *,
    built: bool = True,
    check: bool = True,
    fits: Callable[[str], None] = lambda _: None,
    overrides: Overrides | None = None,
    every_file: bool = False,
    written: str = "",
) -> Artefact:
    """The artefact of an image file, as the store has it.

    built: whether all that it is made of must be there. check: whether questions are wanted; none
    are made without. fits: called with the format of the image before anything is made, to refuse
    it. overrides: those that it was made with. every_file: ask for the bytes of all files, not of a
    sample. written: the format of an image that is asked in place of the store's; empty for none.
    Raises DockyardError with every mistake of the file, or when it was not built as it is now, was
    changed in the store since, or lacks what the checks need.
    """
    from dockyard.engine.holds import hold_until_the_end
    from dockyard.engine.store import Store
    from dockyard.host import namespace
    from dockyard.host.apart import apart
    from dockyard.packages.origins import Origins
    from dockyard.pipeline.arguments.names import MANIFEST
    from dockyard.pipeline.artefact import needs_namespace, write_image
    from dockyard.pipeline.build import plan_customization, plan_image
    from dockyard.pipeline.guest_needs import require_answers
    from dockyard.pipeline.overrides import Overrides
    from dockyard.pipeline.questions import questions_of

    kept = Store(store)
    origins = Origins.of_host(os.environ)
    told = overrides or Overrides()
    rpm_sources, given = told.rpm_sources, told.input
    told = replace(told, output_format=_asked_as(loaded, written))
    changes = customizes(loaded, given)
    if changes:
        registries = registries_of(store, None, "auto")
        with display("auto") as listener:
            planned = plan_customization(loaded, kept, origins, told, registries, listener)
    else:
        # A file that names no distribution was made from these alone.
        creation = _creation(loaded, kept, rpm_sources, told.snapshot_time)
        sources = () if creation else rpm_sources
        form = told.output_format
        planned = plan_image(loaded, kept, origins, form, sources, creation=creation)
    fits(planned.request.output.format)
    hold_until_the_end(kept, *(each.step.id for each in planned.plan.decisions))
    if built:
        _require_whole(planned, kept, loaded.path, _made_by(loaded.words, changes, given))
    request, steps = planned.request, planned.steps
    manifest = kept.path(steps.manifest) if kept.has(steps.manifest) else None
    questions: Sequence[Question] = ()
    if check:
        if manifest:
            require_answers(manifest / MANIFEST, request.loaded.position("os.packages"))
        with display("auto") as listener:
            questions = questions_of(planned, kept, listener, every_file=every_file)

    def write(out: Path) -> Path:
        def written() -> Path:
            return write_image(request, steps, kept, out)[0]

        def inside() -> Path:
            namespace.enter()
            return written()

        return apart(inside) if needs_namespace(steps) else written()

    return Artefact(
        request.name,
        write,
        request.output.format,
        questions,
        request.source.tools,
        request.by_bios,
        request.architecture,
    )


def _asked_as(loaded: LoadedImage, written: str) -> str | None:
    """The format in place of the file's for an image of another: a live one, or a disk where the
    file has none, as the command line made it. Disks of all formats are asked the same.
    """
    from dockyard.formats import Part
    from dockyard.formats import by_name as format_by_name
    from dockyard.pipeline.live import FORMATS

    if not written or written in FORMATS:
        return written or None
    told = str(loaded.image.output.image.format or "raw")
    return None if Part.DISK in format_by_name(told).needs else written


def _creation(
    loaded: LoadedImage, store: Store, rpm_sources: Sequence[Path], when: str
) -> Creation | None:
    """What an image was made of by `create`; None for one that names its distribution."""
    from dockyard.cli.create import epoch_of_host
    from dockyard.packages.access import Access
    from dockyard.pipeline.creation import Creation

    if not rpm_sources or loaded.image.distro:
        return None
    access = Access.of_store(store.root)
    return Creation(tuple(rpm_sources), access, epoch=epoch_of_host(), when=when)


def _made_by(words: str, changes: bool, given: InputImage | None) -> str:
    """The command that makes what an image file describes. words: that name it. changes: an
    image that exists, given beside it or named in it.
    """
    if not changes:
        return f"dockyard build {words}"
    image = f" --image-file {given.path}" if given else ""
    return f"dockyard customize --config-file {words}{image}"


def _require_whole(planned: PlannedImage, kept: Store, file: Path, command: str) -> None:
    """Raise DockyardError when something that the image is made of is not there, or is damaged."""
    from dockyard.engine.plan import Action
    from dockyard.pipeline.build import without_damage

    if not all(kept.has(step) for step in planned.steps.goals):
        raise DockyardError(
            Problem(
                code="boot.not-built",
                what="the store has no build of the image as its file, lock and Dockyard are now",
                where=str(file),
                fix=f"run: {command}",
            )
        )
    looked_at = {step.id for step in planned.steps.goals}
    decisions = without_damage(planned, kept, mend=False).plan.decisions
    remade = [each for each in decisions if each.action is Action.RUN]
    if damaged := [each.reason for each in remade if each.step.id in looked_at]:
        raise DockyardError(
            Problem(
                code="boot.damaged",
                what="the store's build of the image is not as it was made",
                where=str(file),
                why=damaged[0],
                fix=f"run: {command}, which makes it again",
            )
        )
