"""What a run finds: errors that are no DockyardError, and inputs that take too long."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from dockyard.errors import DockyardError

KEPT = Path(__file__).parents[1] / "build/fuzz"
_SLOW = 3.0  # seconds that no input of these sizes may take
_TOLD = 5.0  # seconds after which it is noted how far a run is


class Findings:
    """Feeds a reader; keeps what went wrong, each kind once, and how many inputs were tried."""

    def __init__(self, name: str, feed: Callable[[bytes], object]) -> None:
        self.name, self._feed = name, feed
        self.tried = self.accepted = 0
        self.kinds: dict[str, str] = {}
        self.began = self._told = time.monotonic()
        self._used = time.process_time()
        self.slowest = 0.0

    def __call__(self, drawn: bytes) -> None:
        self.tried += 1
        began = time.process_time()  # others may have the processor, too
        try:
            self._feed(drawn)
            self.accepted += 1
        except DockyardError as error:
            str(error)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} {last.filename}:{last.lineno}"
            self._keep(kind, drawn, traceback.format_exc())
        took = time.process_time() - began
        self.slowest = max(self.slowest, took)
        if took > _SLOW:
            self._keep("slow", drawn, f"{took:.1f} s")
        now = time.monotonic()
        if now - self._told > _TOLD:
            self._told = now
            self._tell()

    def _keep(self, kind: str, drawn: bytes, what: str) -> None:
        if kind in self.kinds:
            return
        name = hashlib.sha256(drawn).hexdigest()[:12]
        self.kinds[kind] = name
        place = KEPT / f"found-{self.name}"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(drawn)
        (place / f"{name}.txt").write_text(what)
        print(f"{self.name}: {kind}\n{place / name}\n{what}", file=sys.stderr, flush=True)

    def _tell(self) -> None:
        told = {
            "target": self.name,
            "tried": self.tried,
            "read": self.accepted,
            "found": self.kinds,
            "slowest": round(self.slowest, 2),
            "seconds": round(time.monotonic() - self.began),
            "processor": round(time.process_time() - self._used),
        }
        (KEPT / f"{self.name}.json").write_text(json.dumps(told))
