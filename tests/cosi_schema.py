"""A JSON schema of the metadata of COSI 1.2, written from what its readers require."""

from __future__ import annotations

from typing import Any

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string", "minLength": 1}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


_IMAGE = _object(
    {
        "path": {"type": "string", "pattern": "^images/.+"},
        "compressedSize": _COUNT,
        "uncompressedSize": _COUNT,
        "sha384": {"type": "string", "pattern": "^[0-9a-f]{96}$"},
    }
)
_VERITY = _object({"image": _IMAGE, "roothash": _TEXT}, hashOffset=_COUNT)
_FILE_SYSTEM = _object(
    {
        "image": _IMAGE,
        "mountPoint": {"type": "string", "pattern": "^/"},
        "fsType": _TEXT,
        "fsUuid": _TEXT,
        "partType": {"type": "string", "pattern": _UUID},
    },
    verity={"oneOf": [{"type": "null"}, _VERITY]},
)
_TABLE = _object({"image": _IMAGE, "type": {"const": "primary-gpt"}})
_PARTITION = _object(
    {
        "image": _IMAGE,
        "type": {"const": "partition"},
        "number": {"type": "integer", "minimum": 1},
    }
)
_ENTRY = _object(
    {
        "type": {"enum": ["uki-standalone", "uki-config", "config"]},
        "path": {"type": "string", "pattern": "^/"},
        "cmdline": {"type": "string"},
        "kernel": {"type": "string"},
    }
)
_SYSTEMD_BOOT = _object(
    {
        "type": {"const": "systemd-boot"},
        "systemdBoot": _object({"entries": {"type": "array", "items": _ENTRY}}),
    }
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        {
            "version": {"const": "1.2"},
            "osArch": {"enum": ["x86_64", "arm64"]},
            "osRelease": _TEXT,
            "images": {"type": "array", "items": _FILE_SYSTEM, "minItems": 1},
            "disk": _object(
                {
                    "size": {"type": "integer", "minimum": 1, "multipleOf": 512},
                    "type": {"const": "gpt"},
                    "lbaSize": {"const": 512},
                    "gptRegions": {
                        "type": "array",
                        "prefixItems": [_TABLE],
                        "items": _PARTITION,
                        "minItems": 2,
                    },
                }
            ),
            "osPackages": {
                "type": "array",
                "items": _object(
                    {
                        "name": _TEXT,
                        "version": _TEXT,
                        "release": {"type": "string"},
                        "arch": _TEXT,
                    }
                ),
            },
            "bootloader": {"oneOf": [_object({"type": {"const": "grub"}}), _SYSTEMD_BOOT]},
        },
        id={"type": "string", "pattern": _UUID},
        compression=_object({"maxWindowLog": {"type": "integer", "minimum": 10, "maximum": 31}}),
    ),
}
