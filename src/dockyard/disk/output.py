"""Output files that appear under their name only when they are whole."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.errors import DockyardError, Problem


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Give a path beside the output to write to; it takes the output's name when the block ends.

    An error in the block leaves nothing behind; a full disk becomes a DockyardError.
    """
    part = out.with_name(f".{out.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.rename(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DockyardError(
            Problem(
                code="host.no-space",
                what=f"no space is left to write {out.name}",
                where=str(out.parent),
                fix="free space there, or choose another output directory",
            )
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
