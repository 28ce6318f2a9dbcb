"""Steps that map the relations of all imported packages together, and hand each its own.

How a relation is mapped depends on what the other packages are. So one step reads them all; a
package is converted anew only when its own relations came out otherwise.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.distro.arguments import AllImported, Selection
from dockyard.distro.relations import Imported, RelationMapper, Relations
from dockyard.engine.codec import decode, encode
from dockyard.errors import DockyardError, Problems
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.package import read_deb

if TYPE_CHECKING:
    from dockyard.engine.work import Work

RELATIONS = "relations.json"


def map_relations(work: Work, wanted: AllImported) -> None:
    """The function of the step: `<name>.json` for each package. Raises DockyardError for names to
    be left out that a package does not have.
    """
    blobs = Blobs.of_store(work.store)
    packages = []
    for each in wanted.packages:
        control = _control(blobs, each.digest, each.upstream)
        packages.append(Imported(each.name, control, each.changes))
    mapper = RelationMapper(packages, wanted.drop)
    problems = Problems()
    for each, package in zip(wanted.packages, packages, strict=True):
        for key, name in mapper.unused_drops(package) if each.strict else ():
            what = f"{each.component}: `{key}` names {name}, which {each.upstream} does not have"
            problems.add("distro.unused-declaration", what, each.where, fix="remove it")
        text = json.dumps(encode(mapper.relations(package)))
        (work.out / f"{each.name}.json").write_text(text)
    problems.raise_any()


def _control(blobs: Blobs, digest: str, label: str) -> Mapping[str, str]:
    """The control file of a package. Little of the package is read for it; where that cannot be
    read, all of it is, to say whether the store or the package is at fault.
    """
    try:
        return read_deb(blobs.existing(digest, label)).control
    except DockyardError:
        blobs.whole(digest, label)
        raise


def select_relations(work: Work, wanted: Selection) -> None:
    """The function of the step: the relations of one package."""
    shutil.copyfile(work.result("relations") / f"{wanted.name}.json", work.out / RELATIONS)


def read_relations(result: Path) -> Relations:
    """The relations in a result of the step above."""
    return decode(Relations, json.loads((result / RELATIONS).read_text()))
