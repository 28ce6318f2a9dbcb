"""Reads the disk of an image that exists, as the source of another.

An image is read once and what was found is kept by its content: plans of the same image answer at
once. What cannot be kept as it is is refused by name before anything is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockyard.engine.code import code_of
from dockyard.engine.codec import decode, encode
from dockyard.engine.events import Listener, ignore
from dockyard.engine.store import Store
from dockyard.host import seal
from dockyard.host.apart import beside
from dockyard.model.family import family_named
from dockyard.packages.origins import Origins
from dockyard.pipeline.existing_contents import FILE
from dockyard.pipeline.existing_disk import (
    DiskFacts,
    DiskSource,
)
from dockyard.pipeline.installed_debs import DEB_FACTS
from dockyard.pipeline.telling import told
from dockyard.pipeline.untouched import stamp_of

if TYPE_CHECKING:
    pass

_RECORD = "inputs"
_MOST_KEPT = 50  # images whose facts are kept


def read_existing(
    image: Path, store: Store, origins: Origins, listener: Listener = ignore
) -> DiskSource:
    """What is known of the disk of an image.

    origins: of the tools, which are needed for an image that is new to the store; the namespace is
    entered then, and the listener is told of reading it. Raises DockyardError with all that stands
    in the way of using it.
    """
    from dockyard.formats.containers import container_of
    from dockyard.pipeline.converted import raw_disk
    from dockyard.pipeline.existing_facts import read_facts
    from dockyard.tools.trees import enter_tools, load_tools_lock

    image = image.absolute()
    container = container_of(image)
    stamp = stamp_of(image)
    records = store.record(_RECORD)
    known = records.get(str(image), {})
    if known.get("stamp") != stamp or known.get("code") != _code() or _are_gone(known, store):
        tools = enter_tools(store.root, origins, listener)
        title, reason = f"Read {image.name}", "it has not been read before"
        # The disk is read from its beginning to its end meanwhile, by a child that begins before
        # the display has a thread.
        with beside(lambda: seal.content_digest(image)) as digest:

            def read() -> DiskFacts:
                with raw_disk(image, digest, stamp, container, store) as raw:
                    return read_facts(
                        image, raw, store, tools, lambda: _installed_folder(store, digest())
                    )

            found = told(listener, f"read {stamp}", title, reason, read)
            known = {"stamp": stamp, "code": _code(), "digest": digest(), "facts": encode(found)}
        kept = dict(list(records.items())[-_MOST_KEPT:])
        kept.pop(str(image), None)
        store.keep_record(_RECORD, {**kept, str(image): known})
    facts = decode(DiskFacts, known["facts"])
    family = family_named(facts.family)
    assert family is not None
    return DiskSource(
        image=image,
        stamp=stamp,
        digest=known["digest"],
        container=container,
        size=facts.size,
        table=facts.table,
        boot_code=facts.boot_code,
        partitions=facts.partitions,
        epoch=facts.epoch,
        architecture=facts.architecture,
        family=family,
        package_count=facts.package_count,
        tools=load_tools_lock().packages,
        boot=facts.boot,
        medium=facts.medium,
        installed=_installed_folder(store, known["digest"])
        if facts.has_rpm or facts.has_debs
        else None,
        verity=facts.verity,
        storage=facts.storage,
        labelled=facts.labelled,
        listed=_installed_folder(store, known["digest"]),
    )


def _installed_folder(store: Store, digest: str) -> Path:
    """Where what is in an image and the facts of its packages are kept, as this version of
    Dockyard reads them.
    """
    return store.root / "metadata" / "installed" / f"{digest}-{_code()[:16]}"


def _are_gone(known: Mapping[str, Any], store: Store) -> bool:
    """Whether what is kept beside the record was removed since."""
    folder = _installed_folder(store, known["digest"])
    has = {"facts.json": known["facts"]["has_rpm"], DEB_FACTS: known["facts"]["has_debs"]}
    needed = (FILE, *(name for name, there in has.items() if there))
    return not all((folder / name).is_file() for name in needed)


def _code() -> str:
    """What changes when another version of Dockyard may find something else."""
    return code_of(__name__)
