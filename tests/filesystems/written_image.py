"""The identity with which these tests write images, and the digest of what was written."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from dockyard.filesystems import FilesystemSpec

SPEC = FilesystemSpec(
    uuid.UUID("0a0b0c0d-0000-4000-8000-000000000001"), label="root", epoch=1_767_225_600
)


def digest(path: Path) -> str:
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
