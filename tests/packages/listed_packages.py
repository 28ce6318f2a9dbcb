"""Repositories that exist only as metadata, for tests of choosing packages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from dockyard.model.packages import RpmRepository
from dockyard.packages.rpm.contents import parse_relation
from dockyard.packages.rpm.primary import IndexedPackage, chunk, from_chunks
from dockyard.packages.rpm.repository import Metadata


def package(
    name: str,
    evr: str = "1-1",
    arch: str = "noarch",
    files: Sequence[str] = (),
    **relations: Sequence[str],
) -> IndexedPackage:
    """A package as primary.xml lists it; relations by kind, as RPM writes them."""
    parsed = {kind: [parse_relation(text) for text in texts] for kind, texts in relations.items()}
    parsed["provides"] = [*parsed.get("provides", ()), parse_relation(f"{name} = {evr}")]
    digest = hashlib.sha256(f"{name}-{evr}.{arch}".encode()).hexdigest()
    location = f"Packages/{name}-{evr.partition(':')[2] or evr}.{arch}.rpm"
    return IndexedPackage(
        name,
        evr,
        arch,
        location,
        f"sha256:{digest}",
        100,
        relations=dict(parsed),
        files=[(path, "") for path in files],
    )


def metadata(id: str, *packages: IndexedPackage, reverse: bool = False, **options: Any) -> Metadata:
    """An opened repository of these packages. reverse: list them in the opposite order."""
    chunks = sorted((chunk(each) for each in packages), reverse=reverse)
    if reverse:
        ordered = from_chunks([])
        data = ordered.replace(b"</metadata>", "".join(chunks).encode() + b"</metadata>")
    else:
        data = from_chunks(chunks)
    identity = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Metadata(
        RpmRepository(id, (f"file:///nowhere/{id}/",), **options), (), identity, lambda: data
    )
