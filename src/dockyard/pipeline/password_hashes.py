"""Makes hashes of passwords that an image file has in clear, with salts that follow from the image
and the account.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from dockyard.disk.identity import derive
from dockyard.pipeline.request import ImageSettings
from dockyard.tree.every import AnySetting
from dockyard.tree.plain_text import PlainText
from dockyard.tree.users import UserSetting


def with_hashes(chosen: ImageSettings, name: str, seed: bytes) -> ImageSettings:
    """Settings without a password in clear. name, seed: of the image."""
    return replace(chosen, settings=tuple(_with_hash(each, name, seed) for each in chosen.settings))


def _with_hash(setting: AnySetting, name: str, seed: bytes) -> AnySetting:
    if not isinstance(setting, UserSetting) or not isinstance(setting.password, PlainText):
        return setting
    # Nothing of the password: who has a quick hash of it need not try the slow one.
    account = replace(setting, password=None, reserved=frozenset()).identity
    salt = derive(seed, "password-salt", name, json.dumps(account, sort_keys=True))
    text = base64.b64encode(salt.bytes[:12], b"./").decode()
    return replace(setting, password=setting.password.hashed(text))
