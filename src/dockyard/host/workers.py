"""Pure Python work on several processors: functions called in worker processes.

Workers are started afresh, not forked, so that neither threads nor open files of the caller matter.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.apart import depend

_LOOK_SECONDS = 0.2  # how often a thread looks whether it is to stop

P = ParamSpec("P")
Result = TypeVar("Result")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Workers:
    """Worker processes, started as they are needed."""

    def __init__(self, count: int) -> None:
        # The kernel ends a worker with the thread that started it: one that lives as long as this.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="workers")
        self._pool = ProcessPoolExecutor(
            min(count, processors()),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=depend,
            initargs=(os.getpid(),),
        )

    def run(self, function: Callable[P, Result], *arguments: P.args, **named: P.kwargs) -> Result:
        """The result of a function that can be imported by name; what it raises is raised here.

        Waits for a free worker. When this process is told to stop, the workers are killed.
        """
        try:
            future = self._starter.submit(self._pool.submit, function, *arguments, **named).result()
            while not wait([future], _LOOK_SECONDS).done:
                stopping.check()
            return future.result()
        except stopping.Stopped:
            # What they make gets its name when it is whole: nothing half done is a result.
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
        except BrokenProcessPool as error:
            stopping.check()
            raise DockyardError(
                Problem(
                    "host.worker-died",
                    "a worker process was ended from outside",
                    why="most likely the memory of this machine is full",
                    fix="free memory, and run the command again: what was finished is kept",
                )
            ) from error

    def close(self) -> None:
        """End the workers; nobody waits for one any more."""
        self._pool.shutdown(cancel_futures=True)
        self._starter.shutdown()
