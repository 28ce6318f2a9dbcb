"""A registry on the loopback address that serves what a test gives it, and misbehaves when told."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Small:
    """blobs: by digest; manifests: (media type, bytes) by tag or digest. answers: what is answered
    to a path in place of that: (status, headers, body), or a function that handles the request.
    challenge: of who has no token; token: that does. cut: break the next so many blobs off.
    """

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    challenge: str = ""
    token: str = ""
    tokens_to: str = ""  # the Authorization that the token service wants
    cut: int = 0
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def asked(self, part: str) -> list[Mapping[str, str]]:
        """The headers of the requests to paths that have some text in them."""
        return [headers for _, path, headers in self.requests if part in path]

    def add(self, data: bytes) -> str:
        digest = digest_of(data)
        self.blobs[digest] = data
        return digest

    def put(self, content: Mapping[str, Any], *tags: str, kind: str = MANIFEST) -> str:
        """Add a manifest; gives its digest."""
        data = json.dumps({"schemaVersion": 2, "mediaType": kind, **content}).encode()
        digest = digest_of(data)
        for name in (digest, *tags):
            self.manifests[name] = (kind, data)
        return digest

    def artefact(
        self, files: Mapping[str, bytes], *tags: str, kind: str = MANIFEST, **more: Any
    ) -> str:
        """Add an artefact with files by their titles; gives its digest."""
        layers = [self.layer(name, data) for name, data in files.items()]
        config = {"mediaType": EMPTY, "digest": self.add(b"{}"), "size": 2}
        return self.put({"config": config, "layers": layers, **more}, *tags, kind=kind)

    def layer(self, name: str, data: bytes) -> dict[str, Any]:
        notes = {"annotations": {"org.opencontainers.image.title": name}} if name else {}
        told = {"mediaType": "application/octet-stream", "size": len(data), **notes}
        return {**told, "digest": self.add(data)}


@contextmanager
def registry() -> Iterator[Small]:
    small = Small()

    class Handler(BaseHTTPRequestHandler):
        # One answer a connection: no thread waits for more when a test has ended.
        protocol_version = "HTTP/1.0"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            with suppress(OSError):
                self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with suppress(OSError):
                self._answer()

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            small.requests.append((self.command, self.path, dict(self.headers)))
            given = small.answers.get(path)
            if callable(given):
                given(self)
            elif given is not None:
                self.say(*given)
            elif path == "/token":
                wanted = small.tokens_to
                if wanted and self.headers.get("Authorization") != wanted:
                    self.say(401, {}, b"")
                else:
                    self.say(200, {}, json.dumps({"token": small.token}).encode())
            elif small.challenge and not self._known():
                said = {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?\x1b[31m"}]}
                head = {"WWW-Authenticate": small.challenge}
                self.say(401, head, json.dumps(said).encode())
            else:
                self._serve(path)

        def _known(self) -> bool:
            return bool(small.token) and self.headers.get("Authorization", "").endswith(small.token)

        def _serve(self, path: str) -> None:
            name = path.rpartition("/")[2]
            if "/manifests/" in path and name in small.manifests:
                kind, data = small.manifests[name]
                self.say(200, {"Content-Type": kind}, data)
            elif "/blobs/" in path and name in small.blobs:
                self._blob(small.blobs[name])
            else:
                said = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "it is not here"}]}
                self.say(404, {}, json.dumps(said).encode())

        def _blob(self, data: bytes) -> None:
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if asked and start >= len(data):
                self.say(416, {}, b"")
                return
            part, head = data[start:], {}
            if asked:
                head = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            if small.cut:
                small.cut -= 1
                self.send_response(206 if asked else 200)
                for name, value in head.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                self.wfile.write(part[: len(part) // 2])
                self.close_connection = True
                return
            self.say(206 if asked else 200, head, part)

        def say(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    small.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield small
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def endless(block: bytes = bytes(1 << 16)) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer of no said size that never ends."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(block)

    return answer
