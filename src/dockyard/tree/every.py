"""Every kind of setting, as the type by which a list of settings becomes data and comes back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from dockyard.tree.additional import AdditionalDirectory, AdditionalFile
from dockyard.tree.fstab import Fstab
from dockyard.tree.hostname import Hostname
from dockyard.tree.modules import Module
from dockyard.tree.scripts import Script
from dockyard.tree.services import Service
from dockyard.tree.users import Group, User

AnySetting: TypeAlias = (
    AdditionalDirectory
    | AdditionalFile
    | Fstab
    | Group
    | Hostname
    | Module
    | Script
    | Service
    | User
)


def settled(settings: Iterable[AnySetting]) -> tuple[AnySetting, ...]:
    """Settings that hold what was found of the files that they name, so that whoever applies them
    knows what was planned.
    """
    return tuple(
        each.settled() if isinstance(each, AdditionalDirectory | AdditionalFile | Script) else each
        for each in settings
    )
