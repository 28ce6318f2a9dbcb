"""A web server over a directory that does ranges, counts, and misbehaves when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Behaviour:
    """cut: break the next so many answers off in the middle. ranges: whether it does them.

    down_after: close every connection without an answer after so many requests. endless: no size is
    said and the body never ends. drip: seconds between the bytes of the answer's body, or with
    drip_header of its header.
    """

    root: Path
    cut: int = 0
    ranges: bool = True
    down_after: int | None = None
    endless: bool = False
    drip: float = 0
    drip_header: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gets(self, name: str) -> int:
        return sum(path == f"/{name}" for method, path, _ in self.requests if method == "GET")


@contextmanager
def serve(root: Path) -> Iterator[Behaviour]:
    behaviour = Behaviour(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            with behaviour.lock:
                asked = self.headers.get("Range", "")
                behaviour.requests.append((self.command, self.path, asked))
                limit = behaviour.down_after
                down = limit is not None and len(behaviour.requests) > limit
                cut = body and behaviour.cut > 0
                behaviour.cut -= cut
            if down:
                self.close_connection = True
                return
            if behaviour.endless or behaviour.drip:
                with suppress(OSError):
                    self._misbehave()
                self.close_connection = True
                return
            path = behaviour.root / self.path.lstrip("/")
            if not path.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = path.read_bytes()
            start = 0
            if asked and behaviour.ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            part = data[start:]
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if body:
                self.wfile.write(part[: len(part) // 2] if cut else part)
            self.close_connection = self.close_connection or cut

        def _misbehave(self) -> None:
            if behaviour.drip_header:
                for byte in b"HTTP/1.1 200 OK\r\nX-Nothing: " + b"x" * 9999:
                    self.wfile.write(bytes([byte]))
                    time.sleep(behaviour.drip)
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" if behaviour.drip else bytes(1 << 20))
                time.sleep(behaviour.drip)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    behaviour.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
