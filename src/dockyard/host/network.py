"""HTTP and file transfers: opens an address at an offset and streams its bytes.

The only module that opens sockets. It speaks HTTP/1.1 (RFC 9110) with ranges and keeps
connections; `file://` addresses work in the same way, so that everything above can run against a
directory. Proxies are taken from the environment (http_proxy, https_proxy, no_proxy), as other
tools do. What is fetched is trusted by its digest or signature, never by the connection.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import urllib3

from dockyard.errors import DockyardError, Problem
from dockyard.host import stopping
from dockyard.host.clock import monotonic

CHUNK = 1 << 18
CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
ANSWER_SECONDS = 90.0
"""How long a server may take for the header of its answer."""
PACE_SECONDS = 60.0
LEAST_RATE = 256
"""Bytes a second that a server has to give, over any such time."""
_AGENT = "dockyard"
_GONE = (403, 404, 410, 451)


class TransferFailed(DockyardError):
    """An address gave no bytes, or not all. `gone`: its server answered that it has no such file;
    otherwise the server or the way to it failed, and another try may help.
    """

    def __init__(self, url: str, why: str, *, gone: bool = False) -> None:
        super().__init__(
            Problem(
                code="network.not-there" if gone else "network.failed",
                what=f"{url_text(url)} could not be fetched",
                why=why,
                fix="" if gone else "check the network and the proxy settings, and try again",
            )
        )
        self.gone = gone
        self.why = why


def url_text(url: str) -> str:
    """An address as it may be printed: without user, password and query; empty for what is none."""
    parts = _split(url)
    return urllib.parse.urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
    )


def whole_number(text: str) -> int | None:
    """A size as a server or an index says it; None for what is none, or beyond 64 bits."""
    found = re.fullmatch("[0-9]{1,19}", text.strip())
    return int(found[0]) if found else None


def host_of(url: str) -> str:
    """What serves an address: its host and port, or "" for a file."""
    return _split(url).netloc.rpartition("@")[2]


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        return urllib.parse.urlsplit(url)
    except ValueError:  # a bracket that is not closed, or a host that becomes another one
        return urllib.parse.SplitResult("", "", "", "", "")


class Transfer:
    """An open transfer. start: the offset of the first byte that comes, which is 0 when the
    server does not do ranges. size: the whole file's size in bytes, or None when it is not said.
    """

    def __init__(
        self,
        url: str,
        source: urllib3.BaseHTTPResponse | IO[bytes],
        start: int,
        size: int | None,
    ) -> None:
        self.url = url
        self.start = start
        self.size = size
        self._source = source

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if isinstance(self._source, urllib3.BaseHTTPResponse):
            # A connection with bytes left in it cannot be used again.
            self._source.close()
            self._source.release_conn()
        else:
            self._source.close()

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come. Raises TransferFailed when they end too early."""
        try:
            if isinstance(self._source, urllib3.BaseHTTPResponse):
                pace = _Pace()
                while block := self._source.read1(CHUNK, decode_content=False):
                    stopping.check()
                    pace.count(len(block))
                    yield block
            else:
                while block := self._source.read(CHUNK):
                    stopping.check()
                    yield block
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransferFailed(self.url, _reason(error)) from error


@dataclass(frozen=True)
class Exchange:
    """One answer of a server, whatever it says. headers: by their names, in any case. transfer: its
    body, which is to be closed.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    transfer: Transfer


class _Pace:
    """Raises OSError when a server gives less than a trickle over a whole window."""

    def __init__(self) -> None:
        self._since = monotonic()
        self._bytes = 0

    def count(self, size: int) -> None:
        self._bytes += size
        if (passed := monotonic() - self._since) < PACE_SECONDS:
            return
        if self._bytes < LEAST_RATE * passed:
            raise OSError(f"it gave {self._bytes} bytes in {passed:.0f} s")
        self._since, self._bytes = monotonic(), 0


def _in_time(
    connection: urllib3.connection.HTTPConnection, answer: Callable[[], urllib3.HTTPResponse]
) -> urllib3.HTTPResponse:
    """The head of an answer, unless it takes too long as a whole.

    The timeout of a socket counts from byte to byte, so one byte now and then would never meet it.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(ANSWER_SECONDS, give_up)
    watch.daemon = True
    watch.start()
    try:
        response = answer()
        if not late.is_set():
            return response
    except Exception:
        if not late.is_set():
            raise
    finally:
        watch.cancel()
    raise ConnectionError(f"it did not finish the header of an answer in {ANSWER_SECONDS} s")


class _PlainConnection(urllib3.connection.HTTPConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        return _in_time(self, super().getresponse)


class _SafeConnection(urllib3.connection.HTTPSConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        return _in_time(self, super().getresponse)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SafePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


_POOLS = {"http": _PlainPool, "https": _SafePool}


class Network:
    """Connections to servers, kept open and shared by threads."""

    def __init__(self, connections: int = 8) -> None:
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._retries = urllib3.Retry(
            connect=1, read=0, status=0, other=0, redirect=5, backoff_factor=0.5
        )
        self._connections = connections
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._guard = threading.Lock()

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pool in self._pools.values():
            pool.clear()

    def open(self, url: str, start: int = 0) -> Transfer:
        """Open an address, at an offset where its server can. Raises TransferFailed."""
        if url.startswith("file://"):
            return _open_file(url, start)
        headers = {"Range": f"bytes={start}-"} if start else {}
        response = self._request("GET", url, headers)
        if response.status in (200, 206):
            begin, size = _extent(response)
            return Transfer(url, response, begin, size)
        status, reason = response.status, response.reason or ""
        response.close()
        if status == 416 and start:
            # The range begins at or behind the end: the file is not what the partial one was.
            return self.open(url)
        raise TransferFailed(
            url, f"the server answered {status} {reason}".rstrip(), gone=status in _GONE
        )

    def exchange(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", body: bytes = b""
    ) -> Exchange:
        """Ask a server once, and give what it says: a redirection is not followed, and no status is
        a failure. Raises TransferFailed where there is no answer.
        """
        response = self._request(method, url, headers, body=body, redirect=False)
        start, size = _extent(response)
        transfer = Transfer(url, response, start, size)
        return Exchange(response.status, response.reason or "", response.headers, transfer)

    def read(self, url: str, limit: int = 1 << 28) -> bytes:
        """The whole of a small file. limit: bytes that it may have. Raises TransferFailed."""
        with self.open(url) as transfer:
            return read_whole(transfer, limit)

    def exists(self, url: str) -> bool:
        """Whether an address has a file, without fetching it. Raises TransferFailed when its
        server cannot be asked.
        """
        if url.startswith("file://"):
            return file_path(url).is_file()
        with closing(self._request("HEAD", url, {})) as response:
            if response.status == 200:
                return True
            if response.status in _GONE:
                return False
            raise TransferFailed(url, f"the server answered {response.status}")

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        redirect: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        try:
            address, auth = _credentials(url)
            return self._pool(url).request(
                method,
                address,
                headers={
                    "User-Agent": _AGENT,
                    "Accept-Encoding": "identity",
                    **headers,
                    **auth,
                },
                body=body or None,
                redirect=redirect,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise TransferFailed(url, _reason(error)) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urllib.parse.urlsplit(url)
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and urllib.request.proxy_bypass(parts.hostname or ""):
            proxy = None
        with self._guard:
            if proxy not in self._pools:
                self._pools[proxy] = self._new_pool(proxy)
            return self._pools[proxy]

    def _new_pool(self, proxy: str | None) -> urllib3.PoolManager:
        settings = {
            "num_pools": 32,
            "maxsize": self._connections,
            "timeout": self._timeout,
            "retries": self._retries,
        }
        made = (
            urllib3.ProxyManager(proxy, **settings)  # type: ignore[arg-type]
            if proxy
            else urllib3.PoolManager(**settings)  # type: ignore[arg-type]
        )
        made.pool_classes_by_scheme = _POOLS
        return made


def read_whole(transfer: Transfer, limit: int) -> bytes:
    """All that a transfer gives. limit: bytes that it may have. Raises TransferFailed."""
    parts: list[bytes] = []
    count = 0
    if transfer.size is not None and transfer.size > limit:
        raise TransferFailed(transfer.url, f"it is larger than {limit} bytes")
    for block in transfer.chunks():
        parts.append(block)
        count += len(block)
        if count > limit:
            raise TransferFailed(transfer.url, f"it is larger than {limit} bytes")
    if transfer.size is not None and transfer.start + count < transfer.size:
        why = f"it broke off after {count} of {transfer.size} bytes"
        raise TransferFailed(transfer.url, why)
    return b"".join(parts)


def file_path(url: str) -> Path:
    """The path of a `file://` address."""
    return Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))


def _open_file(url: str, start: int) -> Transfer:
    path = file_path(url)
    try:
        source = path.open("rb")
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise TransferFailed(url, "there is no such file", gone=True) from error
    except OSError as error:
        raise TransferFailed(url, _reason(error)) from error
    begin = start if start <= size else 0
    source.seek(begin)
    return Transfer(url, source, begin, size)


def _extent(response: urllib3.BaseHTTPResponse) -> tuple[int, int | None]:
    """The first byte's offset and the whole size, by Content-Range or Content-Length."""
    if response.status == 206:
        # bytes FIRST-LAST/SIZE
        span, _, size = response.headers.get("Content-Range", "").partition("/")
        first = span.removeprefix("bytes").strip().partition("-")[0]
        if (begin := whole_number(first)) is not None:
            return begin, whole_number(size)
    return 0, whole_number(response.headers.get("Content-Length", ""))


def _credentials(url: str) -> tuple[str, dict[str, str]]:
    """An address without user and password, and the header that carries them."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    header = urllib3.make_headers(basic_auth=urllib.parse.unquote(user))
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), dict(header)


# What the commonest causes are in plain words; a subclass before its base.
_PLAIN_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (http.client.RemoteDisconnected, "it closed the connection without an answer"),
    (ConnectionResetError, "it broke the connection off"),
    (ConnectionRefusedError, "it refuses connections"),
    (socket.gaierror, "the name of the server is not known"),
)


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: what a person can act on."""
    seen: BaseException = error
    for _ in range(6):
        candidates = (getattr(seen, "reason", None), seen.__cause__, *reversed(seen.args))
        inner = next((each for each in candidates if isinstance(each, BaseException)), None)
        if inner is None:
            break
        seen = inner
    for kind, plain in _PLAIN_REASONS:
        if isinstance(seen, kind):
            return plain
    text = str(seen)
    # urllib3 puts the object before the text: <… object at 0x…>: text
    if text.startswith("<") and ">: " in text:
        text = text.partition(">: ")[2]
    return text or type(seen).__name__
