"""Where steps run: in threads of this process, and pure Python ones in processes of their own.

A step is data: a process that has it, the results that it reads and an empty directory can run it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockyard.engine.step import Step
from dockyard.engine.work import Work, call

if TYPE_CHECKING:
    from dockyard.host.workers import Workers


class Executors:
    """The threads and processes of one run. jobs: how many steps run side by side."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._threads = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="step")
        self._workers: Workers | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Executors:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()
        self._threads.shutdown()

    def start(self, run: Callable[[], None]) -> Future[None]:
        """Begin something in a thread."""
        return self._threads.submit(run)

    def call(self, step: Step, work: Work) -> None:
        """Call a step's function, here or in a process of its own."""
        if not step.pure or self._jobs == 1:
            call(step.function, step.arguments, work)
            return
        with self._lock:
            if self._workers is None:
                from dockyard.host.workers import Workers  # what it loads, few builds need

                self._workers = Workers(self._jobs)
        known = self._workers.run(
            call_apart, step.function, step.arguments, work.out, dict(work.results), work.store
        )
        work.digested(known)


def call_apart(
    function: str,
    arguments: Mapping[str, Any],
    out: Path,
    results: Mapping[str, Path],
    store: Path,
) -> dict[str, str]:
    """Call a step's function in this process; gives what it digested."""
    work = Work(out, results, store)
    call(function, arguments, work)
    return work.known
