"""Ids that are derived from content in place of random ones.

An id is the SHA-256 of a seed and of what the id is for, in the custom form of RFC 9562 (version
8). The same image so has the same ids on every machine, and two images never share one.
"""

from __future__ import annotations

import hashlib
from uuid import UUID


def derive(seed: bytes, *purpose: str) -> UUID:
    """The id for a purpose, such as ("partition", "root")."""
    digest = hashlib.sha256(len(seed).to_bytes(8, "big") + seed)
    for part in purpose:
        text = part.encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    raw = bytearray(digest.digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def fat_serial(uuid: UUID) -> str:
    """The volume id of a FAT file system made from a UUID, as `UUID=` names it: `1A2B-3C4D`."""
    text = uuid.hex[:8].upper()
    return f"{text[:4]}-{text[4:]}"
