"""A running program that is talked to over byte channels while it runs.

Each channel is one end of a socket pair; the program inherits the other end and is told its
number. Everything happens in the thread that started the program, because the sandbox dies with
that thread. Nothing blocks but `wait`, and that only as long as it is told.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dockyard.host.clock import monotonic

_CHUNK = 65536


class Session:
    """One running program and its channels, by name."""

    def __init__(
        self, process: subprocess.Popen[bytes], channels: Mapping[str, socket.socket]
    ) -> None:
        self._process = process
        self._channels = dict(channels)
        self._started = monotonic()
        self._unsent = {name: bytearray() for name in channels}
        self._selector = selectors.DefaultSelector()
        self._ended = os.pidfd_open(process.pid)
        self._selector.register(self._ended, selectors.EVENT_READ, None)
        for name, channel in channels.items():
            channel.setblocking(False)
            self._selector.register(channel, selectors.EVENT_READ, name)

    @property
    def elapsed(self) -> float:
        """Seconds since the program was started."""
        return monotonic() - self._started

    @property
    def status(self) -> int | None:
        """The exit status once the program has ended (negative: the signal), else None."""
        return self._process.poll()

    def send(self, name: str, data: bytes) -> None:
        """Queue bytes for a channel; they leave now as far as they fit, and else during `wait`."""
        self._unsent[name] += data
        self._flush(name)

    def unsent(self, name: str) -> int:
        """How many bytes wait for a channel."""
        return len(self._unsent[name])

    def wait(self, seconds: float) -> dict[str, bytes]:
        """Wait until a channel has data, the program ends, or the time is over.

        Returns what has come, by channel; a channel that the program closed is not waited for
        again.
        """
        came: dict[str, bytes] = {}
        for key, events in self._selector.select(max(0.0, seconds)):
            name = key.data
            if name is None:
                self._selector.unregister(self._ended)
                # What the program said last may still be in the channels.
                for other in tuple(self._channels):
                    self._receive(other, came)
                continue
            if events & selectors.EVENT_WRITE:
                self._flush(name)
            if events & selectors.EVENT_READ and name in self._channels:
                self._receive(name, came)
        return came

    def stop(self) -> None:
        """Kill the program if it still runs, and let go of everything."""
        self._process.kill()
        self._process.wait()
        for name in tuple(self._channels):
            self._close(name)
        self._selector.close()
        os.close(self._ended)

    def _receive(self, name: str, came: dict[str, bytes]) -> None:
        channel = self._channels[name]
        try:
            while data := channel.recv(_CHUNK):
                came[name] = came.get(name, b"") + data
                if len(data) < _CHUNK:
                    return
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        self._close(name)

    def _flush(self, name: str) -> None:
        channel, unsent = self._channels.get(name), self._unsent[name]
        if channel is None:
            return
        try:
            while unsent:
                del unsent[: channel.send(unsent)]
        except BlockingIOError:
            pass
        except OSError:
            unsent.clear()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
        self._selector.modify(channel, wanted, name)

    def _close(self, name: str) -> None:
        channel = self._channels.pop(name)
        self._selector.unregister(channel)
        channel.close()


@contextmanager
def open_session(
    names: Sequence[str],
    launch: Callable[[Mapping[str, int]], subprocess.Popen[bytes]],
) -> Iterator[Session]:
    """Run a program with a channel for each name while the block runs, and kill it at the end.

    launch: starts the program, given the descriptor number of each channel's far end, which it
    passes on.
    """
    near: dict[str, socket.socket] = {}
    far: dict[str, socket.socket] = {}
    try:
        for name in names:
            near[name], far[name] = socket.socketpair()
        process = launch({name: end.fileno() for name, end in far.items()})
    except BaseException:
        for end in near.values():
            end.close()
        raise
    finally:
        for end in far.values():
            end.close()
    session = Session(process, near)
    try:
        yield session
    finally:
        session.stop()
