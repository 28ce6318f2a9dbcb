"""Tells the log of a run which programs ran, how they ended, and what they printed.

Neither their environment nor what they were fed is told: secrets are handed over there.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence

_LOGGER = logging.getLogger("dockyard.programs")
_MOST = 32 << 10


def program_ended(argv: Sequence[str], status: int, stdout: bytes, stderr: bytes) -> None:
    """Log a program that has ended. status: negative for the signal that ended it."""
    if not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    ending = "" if status == 0 else f" (status {status})" if status > 0 else f" (signal {-status})"
    lines = [f"ran     {_shortened(shlex.join(argv))}{ending}"]
    lines += [line for output in (stdout, stderr) if output for line in _lines(output)]
    _LOGGER.debug("%s", "\n".join(lines))


def _shortened(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"


def _lines(output: bytes) -> list[str]:
    """Output as lines; the middle of what is long, and all of what is no text, are left out."""
    if b"\0" in output[:4096]:
        return [f"({len(output)} bytes of data)"]
    if len(output) <= _MOST:
        return output.decode(errors="replace").splitlines()
    head, tail = (part.decode(errors="replace").splitlines() for part in
                  (output[: _MOST // 2], output[-_MOST // 2 :]))  # fmt: skip
    return [*head, f"… ({len(output) - _MOST} bytes left out)", *tail]
