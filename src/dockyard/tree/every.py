"""Every kind of setting, as the type by which a list of settings becomes data and comes back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting
from dockyard.tree.device_ids import DeviceIdsSetting
from dockyard.tree.fstab import FstabSetting
from dockyard.tree.fstab_device import FstabDeviceSetting
from dockyard.tree.guest import GuestSetting
from dockyard.tree.history import HistorySetting
from dockyard.tree.hostname import HostnameSetting
from dockyard.tree.live import LiveSetting
from dockyard.tree.modules import ModuleSetting
from dockyard.tree.overlays import OverlaySetting
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.selinux import SelinuxSetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.users import GroupSetting, UserSetting

AnySetting: TypeAlias = (
    AdditionalDirectorySetting
    | AdditionalFileSetting
    | DeviceIdsSetting
    | FstabDeviceSetting
    | FstabSetting
    | GroupSetting
    | GuestSetting
    | HistorySetting
    | HostnameSetting
    | LiveSetting
    | ModuleSetting
    | OverlaySetting
    | ScriptSetting
    | SelinuxSetting
    | ServiceSetting
    | UserSetting
)


def settled(settings: Iterable[AnySetting]) -> tuple[AnySetting, ...]:
    """Settings that hold what was found of the files that they name, so that the step that applies
    them knows what was planned.
    """
    return tuple(
        each.settled()
        if isinstance(each, AdditionalDirectorySetting | AdditionalFileSetting | ScriptSetting)
        else each
        for each in settings
    )
