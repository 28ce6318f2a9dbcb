"""Pure Python work on several processors: one function over many items, in worker processes.

Workers are started afresh, not forked, so that neither threads nor open files of the caller matter.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.2  # how often a thread looks whether it is to stop

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    done: Callable[[Item], None] | None = None,
) -> list[Result]:
    """The results of a function over items, in the items' order.

    The function must be importable by name, and return problems rather than raise them. done: told
    of each finished item, in the caller's thread. One item, or one worker, needs no process. When
    this process is told to stop, the workers are killed.
    """
    count = min(workers or processors(), len(items))
    if count <= 1:
        results = []
        for item in items:
            stopping.check()
            results.append(function(item))
            if done:
                done(item)
        return results
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=_depend, initargs=(os.getpid(),)
    )
    try:
        futures = {pool.submit(function, item): item for item in items}
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, _LOOK_SECONDS, FIRST_COMPLETED)
            stopping.check()
            for future in finished:
                future.result()
                if done:
                    done(futures[future])
        return [future.result() for future in futures]
    except stopping.Stopped:
        # What they make gets its name when it is whole: nothing half done is taken for a result.
        for worker in multiprocessing.active_children():
            worker.kill()
        raise
    except BrokenProcessPool as error:
        raise DockyardError(
            Problem(
                "host.worker-died",
                "a worker process was ended from outside",
                why="most likely the memory of this machine is full",
                fix="free memory, and run the command again: what was finished is kept",
            )
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _depend(parent: int) -> None:
    """Tie a worker to its caller."""
    # Ctrl-C goes to the whole group: only the caller answers it, and ends the workers.
    for number in stopping.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # A caller that is killed cannot end anyone: the kernel does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
