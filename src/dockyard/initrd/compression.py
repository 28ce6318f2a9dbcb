"""The compression of an initrd: zstd frames that are the same on every machine.

With at least one worker libzstd cuts its jobs by size alone, so that the bytes do not depend on the
number of workers; with none it writes other bytes. The kernel needs no checksum.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

_WORKERS = 2


def compressed(out: Path, level: int) -> AbstractContextManager[zstd.ZstdFile]:
    """A stream that writes a new compressed file."""
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: level,
        parameter.nb_workers: _WORKERS,
        parameter.checksum_flag: 0,
    }
    return zstd.open(out, "wb", options=options)
