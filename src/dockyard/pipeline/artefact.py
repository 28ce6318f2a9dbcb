"""The image itself: what its format makes of the results of its steps.

Writing it is no step: nothing else is made of it, and what it is made of is in the store. So it is
written where it is wanted, once, in place of once in the store and once more from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.disk.layout import DiskLayout
from dockyard.engine.code import code_of
from dockyard.engine.codec import encode
from dockyard.engine.store import Store
from dockyard.formats import Part, Parts
from dockyard.formats import by_name as format_by_name
from dockyard.formats.parts import LivePart
from dockyard.model.base import as_written
from dockyard.pipeline.arguments.names import FILESYSTEM, FIRST_CODE, INITRD, KERNEL, TREE
from dockyard.pipeline.bios_steps import bios_partition
from dockyard.pipeline.image import ImageSteps
from dockyard.pipeline.request import ImageRequest

if TYPE_CHECKING:
    from dockyard.formats.system import System


def image_id(request: ImageRequest, steps: ImageSteps, store: Store) -> str | None:
    """What names the image, by all that it is made of; None while parts of it are to be made."""
    parts = {step.name: store.answer(step) for step in steps.parts}
    if None in parts.values():
        return None
    shaped = {
        "format": request.output.format,
        "level": request.output.level,
        "code": code_of(*shaping_modules(request.output.format)),
        "name": request.name,
        "architecture": request.architecture,
        "seed": request.seed.hex(),
        "epoch": request.epoch,
        "layout": encode(_bare(request.layout)),
        "boot code": request.layout.boot_code.hex(),
        "command line": list(request.command_line),
        "live": _live_facts(request),
        "settings": _settings_facts(request),
        "parts": parts,
    }
    text = json.dumps(shaped, sort_keys=True)
    return f"image-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def write_image(
    request: ImageRequest, steps: ImageSteps, store: Store, out: Path
) -> tuple[Path, ...]:
    """Write the image into a directory, see `Format.write`. All of `steps.goals` have results."""
    from dockyard.disk.esp import ukis_in
    from dockyard.pipeline.stack import load_root
    from dockyard.tools.unpacked import trees_in

    named = {step.name: step for step in (*steps.layers, steps.root)}
    needs, boot = steps.needs, steps.live or steps.boot

    def result(name: str) -> Path:
        return store.path(named[name])

    def told(disk: Path, size: int) -> System:
        from dockyard.inspection.described import describe

        return describe(disk, size, out, trees)

    trees = trees_in(store.path(steps.tools) if steps.runs_programs else store.root)
    parts = Parts(
        name=request.name,
        architecture=request.architecture,
        seed=request.seed,
        epoch=request.epoch,
        command_line=" ".join(request.command_line),
        root=load_root(result, steps.root.name, [step.name for step in steps.layers])
        if Part.ROOT in needs
        else None,
        base=load_root(result, steps.layers[0].name, [steps.layers[0].name])
        if Part.BASE in needs
        else None,
        layout=_layout(request, steps, store) if Part.DISK in needs else None,
        partitions={key: store.path(step) / FILESYSTEM for key, step in steps.filesystems.items()},
        kernel=store.path(boot.kernel) / KERNEL if boot and Part.KERNEL in needs else None,
        initrd=store.path(boot.initrd) / INITRD if boot and Part.INITRD in needs else None,
        live=_live_part(request, steps, store) if Part.LIVE in needs else None,
        level=request.output.level,
        describe=told if Part.SYSTEM in needs else None,
        settings=request.loaded.image.output.image,
        uki=ukis_in(store.path(steps.boot.uki))[0] if steps.boot and Part.UKI in needs else None,
    )
    return format_by_name(request.output.format).write(parts, out, trees.main)


def _layout(request: ImageRequest, steps: ImageSteps, store: Store) -> DiskLayout:
    """The disk, with the code that a BIOS starts where it is made for one."""
    partition = bios_partition(request)
    if partition is None:
        return request.layout
    code = (store.path(steps.filesystems[partition.key]) / FIRST_CODE).read_bytes()
    return replace(request.layout, boot_code=code)


def _live_facts(request: ImageRequest) -> Mapping[str, object] | None:
    """What of a live image is in no step."""
    live = request.live
    if live is None:
        return None
    words = [live.medium_words, live.network_words]
    return {"saved": live.saved.as_json(), "title": live.title, "url": live.url, "words": words}


def _settings_facts(request: ImageRequest) -> Mapping[str, object]:
    """What the image file says of the output to its format alone."""
    section = format_by_name(request.output.format).section
    told = as_written(request.loaded.image.output.image)
    return {section: told[section]} if section else {}


def _live_part(request: ImageRequest, steps: ImageSteps, store: Store) -> LivePart:
    live, made = request.live, steps.live
    assert live is not None and made is not None
    files = {}
    if made.files is not None:
        place = store.path(made.files) / TREE
        files = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}
    return LivePart(
        title=live.title,
        label=live.label,
        root=store.path(made.image) / FILESYSTEM if made.image else None,
        medium_words=live.medium_words,
        network_words=live.network_words,
        fetched_name=live.fetched_name,
        files=files,
        saved=live.saved,
    )


def shaping_modules(format_name: str) -> tuple[str, ...]:
    """The modules whose code shapes what a format makes of its parts."""
    chosen = format_by_name(format_name)
    described = ("dockyard.inspection.described",) if Part.SYSTEM in chosen.needs else ()
    return (type(chosen).__module__, *described)


def needs_namespace(steps: ImageSteps) -> bool:
    """Whether the image can be written inside the namespace only."""
    return steps.runs_programs or Part.ROOT in steps.needs


def _bare(layout: DiskLayout) -> DiskLayout:
    """What of a layout is in the partition table."""
    bare = [replace(each, filesystem=None, verity=None, kept=False) for each in layout.partitions]
    return replace(layout, partitions=tuple(bare))
