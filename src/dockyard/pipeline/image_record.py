"""Makes the record of a customization: all that shaped the image, by digest where it is secret or
long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dockyard import __version__
from dockyard.config import LoadedImage
from dockyard.config.record import recorded, recorded_files
from dockyard.disk.identity import derive
from dockyard.model.os import ImageHistory
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting
from dockyard.tree.every import AnySetting
from dockyard.tree.history import HistorySetting
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.setting import fingerprint

if TYPE_CHECKING:
    from dockyard.pipeline.existing_disk import DiskSource
    from dockyard.pipeline.overrides import Overrides


def made_of_image(source: DiskSource, overrides: Overrides) -> dict[str, Any]:
    """What the record of an image says of the one that it is made of, of the packages that were
    chosen for it, and of what the command line said of them.
    """
    made_of: dict[str, Any] = {"contentDigest": source.digest}
    if source.changes is not None:
        lock = source.changes.lock
        made_of["packages"] = sorted(pin.nevra for pin in lock.packages)
        made_of["removedPackages"] = sorted(lock.removed)
        if overrides.snapshot_time:
            made_of["packageSnapshotTime"] = overrides.snapshot_time
        if overrides.without_image_repositories:
            made_of["disableBaseImageRpmRepos"] = True
    return made_of


def record_of(
    loaded: LoadedImage,
    settings: Sequence[AnySetting],
    scripts: Sequence[ScriptSetting],
    made_of: dict[str, Any],
    epoch: int,
) -> tuple[HistorySetting, ...]:
    """The record; none where the file wants none. scripts: all of them, in order. made_of: what the
    image is made of, in the words of the record: what it is, not where it was found.
    """
    if loaded.image.os.image_history is ImageHistory.NONE:
        return ()
    config = recorded(loaded)
    _add_digests(config, settings, scripts)
    record: dict[str, Any] = {"tool": "dockyard", "input": made_of}
    if len(loaded.files) > 1:
        record["configFiles"] = recorded_files(loaded)
    # Of what is left out of the record, the identities have digests that give nothing away.
    shaping = [each.identity for each in (*settings, *scripts)]
    text = json.dumps([record, config, shaping, epoch, __version__], sort_keys=True)
    named = derive(hashlib.sha256(text.encode(errors="surrogateescape")).digest(), "image")
    kept = json.dumps({**record, "config": config})
    at = loaded.position("os.imageHistory")
    return (HistorySetting(__version__, epoch, str(named), kept, at),)


def _add_digests(
    config: dict[str, Any], settings: Sequence[AnySetting], scripts: Sequence[ScriptSetting]
) -> None:
    """Add the digests of files, directories and scripts, as Image Customizer names them."""
    system = config.get("os", {})
    files = {
        each.destination: each.digest
        for each in settings
        if isinstance(each, AdditionalFileSetting)
    }
    for file in system.get("additionalFiles", ()):
        file["sha256hash"] = _hex(files[file["destination"]])
    directories = (each for each in settings if isinstance(each, AdditionalDirectorySetting))
    for directory, found in zip(system.get("additionalDirs", ()), directories, strict=True):
        directory["sha256hashmap"] = dict(_digests(found))
    said = config.get("scripts", {})
    written = (*said.get("postCustomization", ()), *said.get("finalizeCustomization", ()))
    for script, run in zip(written, scripts, strict=True):
        script["sha256hash"] = _hex(fingerprint(run.body))


def _digests(directory: AdditionalDirectorySetting) -> Iterator[tuple[str, str]]:
    for path, digest, _ in directory.content:
        if digest.startswith("sha256:"):
            yield path, _hex(digest)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
