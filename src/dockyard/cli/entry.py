"""Where `dockyard` begins: it answers SIGINT and SIGTERM before it imports the rest, which takes
some tenths of a second in which Ctrl-C would end in a traceback.

It imports nothing else of ours for that, nor anything of size. `main` then answers the signals in
its own way (`host.stopping`).
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the command line of this process and exit."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _leave)
    from dockyard.cli.main import main as run

    run()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # Nothing was begun: there is nothing to clear up, and nothing to say.
    os._exit(128 + number)
