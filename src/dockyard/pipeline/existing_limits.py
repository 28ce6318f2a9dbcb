"""What of an image that exists its new file systems cannot hold: told before anything is copied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from dockyard.disk.layout import DiskLayout
from dockyard.errors import Problem, Severity
from dockyard.filesystems.limits import Unheld
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.room import places_on
from dockyard.tree.additional import added_paths
from dockyard.tree.setting import Setting


def unheld_problems(
    source: DiskSource, layout: DiskLayout, settings: Iterable[Setting], *, scripts: bool
) -> Iterator[Problem]:
    """A problem for each limit that something of the tree is past, in file systems that are
    written anew; a warning where scripts or packages may take that away.
    """
    if not source.storage.unheld:
        return
    from dockyard.filesystems.unheld import told

    severity = Severity.WARNING if scripts or source.changes is not None else Severity.ERROR
    for problem in told(_written(source.storage.unheld, layout, added_paths(settings))):
        why = f"{source.image.name} has it"
        why = f"{problem.why}; {why}" if problem.why else why
        if severity is Severity.WARNING:
            why += ", unless a script or a change of packages takes it away"
        yield replace(problem, why=why, severity=severity)


def _written(
    found: Iterable[Unheld], layout: DiskLayout, replaced: Collection[str]
) -> Iterator[Unheld]:
    """What is to be in a file system that cannot hold it. replaced: files that come anew."""
    places = places_on(layout)
    for each in found:
        if each.path in replaced:
            continue
        inside = [at for at in places if each.path == at or each.path.startswith(_slashed(at))]
        partition = places[max(inside, key=len)] if inside else None
        system = partition.filesystem if partition is not None else None
        if partition is None or system is None or partition.kept:
            continue
        if system.type.kernel_name == each.kind:
            yield each


def _slashed(at: str) -> str:
    return at if at.endswith("/") else f"{at}/"
