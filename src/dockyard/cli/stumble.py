"""The last resort: turns an exception that no room foresaw into one screen, and asks for a report.

The traceback goes into a log, never to the terminal.
"""

from __future__ import annotations

import logging
import traceback

from dockyard.cli.log import LOGGER, last_resort
from dockyard.errors import DockyardError, Problem


def stumbled(error: Exception) -> DockyardError:
    """What to tell of an unforeseen exception, whose traceback is put into the log."""
    with last_resort():
        told = "".join(traceback.format_exception(error)).rstrip()
        logging.getLogger(LOGGER).error("%s", f"unforeseen\n{told}")
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename}: " if error.filename else ""
        return DockyardError(
            Problem(
                "cli.system",
                f"{about}{error.strerror}",
                why="the system refused something that Dockyard needed, and Dockyard has no more "
                "specific message for it",
                fix="correct that and run the same command again; if it should have worked, report "
                "it with the log",
            )
        )
    if isinstance(error, MemoryError):
        return DockyardError(
            Problem(
                "cli.memory",
                "memory ran out",
                fix="free some, or raise the shell's limit (ulimit -v), and run the same command "
                "again; what was finished is kept",
            )
        )
    what = str(error).splitlines()[0] if str(error) else ""
    return DockyardError(
        Problem(
            "cli.internal",
            f"Dockyard stumbled over a mistake of its own: {type(error).__name__}"
            + (f": {what}" if what else ""),
            why="this is a bug in Dockyard, not a mistake in your files",
            fix="please report it, with the command and this log; what was finished is kept",
        )
    )
