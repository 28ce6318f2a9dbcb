"""What was decided to change among the packages of an image that exists."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.model.package_change import PackageChange
from dockyard.model.packages import Lock, Repository
from dockyard.pipeline.installed_debs import KnownDebs
from dockyard.pipeline.package_facts import InstalledFacts


@dataclass(frozen=True)
class PackageChanges:
    """What is to change. lock: every package that comes, pinned, and those that go. lock_file: the
    lock beside the image file that says so; "" where it was decided now. repositories: where the
    packages come from. installed: the image's facts. changes: in a person's terms.
    """

    lock: Lock
    lock_file: str
    repositories: tuple[Repository, ...]
    installed: InstalledFacts | KnownDebs
    changes: tuple[PackageChange, ...]

    @property
    def package_count(self) -> int:
        """How many packages more there are than before."""
        return len(self.lock.packages) - len(self.lock.removed)
