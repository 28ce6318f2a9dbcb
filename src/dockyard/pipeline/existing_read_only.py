"""What an image that exists would lack if its root were only read from now on: told as warnings,
for it may have ways of its own to live with that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from dockyard.config import LoadedImage
from dockyard.disk.layout import DiskLayout
from dockyard.errors import Problem, Severity
from dockyard.packages.access import Access
from dockyard.pipeline.existing_disk import DiskSource
from dockyard.pipeline.existing_names import Parts, known_parts
from dockyard.pipeline.read_only import HOST_KEYS, read_only_problems
from dockyard.tree.setting import Setting

# The programs by which packages are known to be there, whatever they are called.
_PROGRAMS = {
    "openssh-server": "/usr/sbin/sshd",
    "auditd": "/usr/sbin/auditd",
    "cloud-init": "/usr/bin/cloud-init",
}


def read_only_warnings(
    loaded: LoadedImage,
    source: DiskSource,
    layout: DiskLayout,
    settings: Sequence[Setting],
    access: Access,
) -> Iterator[Problem]:
    """A warning for each thing that a root lacks which the file makes read-only."""
    if not (loaded.image.storage.disks or loaded.image.storage.verity):
        return
    parts = known_parts(source, settings, access)
    if parts is None:
        return
    there = [name for name, program in _PROGRAMS.items() if parts.has(program)]

    def provided(capability: str) -> Collection[str]:
        return there if capability == HOST_KEYS and _has_host_keys(source, parts) else ()

    mounted = [line.split()[1:2] for line in source.storage.fstab.splitlines()]
    for problem in read_only_problems(loaded, layout, there, parts.added, provided):
        if problem.code == "build.read-only-var" and ["/var"] in mounted:
            continue
        yield replace(problem, severity=Severity.WARNING)


def _has_host_keys(source: DiskSource, parts: Parts) -> bool:
    """Whether a package, one that is there or one that comes, has host keys where they can be
    written.
    """
    if any(HOST_KEYS in package.provides() for package in parts.coming.packages):
        return True
    primary = source.installed / "primary.xml" if source.installed else None
    return bool(primary and primary.is_file() and HOST_KEYS.encode() in primary.read_bytes())
