"""Small RPM repositories with real packages, and a web server that can be told to misbehave."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pysequoia
from backports import zstd

from dockyard.packages.access import Access
from dockyard.packages.blobs import digest_of_file
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage, parse_relation
from dockyard.packages.rpm.primary import IndexedPackage, listed, primary_xml
from dockyard.packages.rpm.reader import read_package
from dockyard.packages.rpm.signature import sign
from dockyard.packages.rpm.writer import write_package

# A time, as most repositories have it.
REVISION = 1767225600

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": partial(gzip.compress, mtime=0),
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


@cache
def key(name: str = "owner") -> pysequoia.Tsk:
    """A signing key; the same for the same name within a run."""
    return pysequoia.Tsk.generate(f"{name} <{name}@example.com>")


def write_key(path: Path, name: str = "owner") -> Path:
    path.write_text(str(key(name).extract_certificate()))
    return path


def add_rpm(
    directory: Path,
    name: str,
    version: str = "1",
    *,
    requires: Sequence[str] = (),
    text: str = "",
    signed: str | None = None,
    path: str | None = None,
    built: int = 0,
) -> Path:
    """Write a package with one file. signed: the name of the key that signs it. built: when."""
    data = (text or f"{name} {version}\n").encode()
    package = RpmPackage(
        name=name,
        version=version,
        release="1",
        summary=f"The {name} package",
        license="MIT",
        build_time=built,
        requires=[parse_relation(each) for each in requires],
        provides=[parse_relation(f"{name} = {version}-1")],
        files=[PackagedFile(path or f"/usr/share/{name}", 0o100644, data)],
    )
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / package.file_name
    plain = io.BytesIO()
    write_package(package, plain)
    target.write_bytes(plain.getvalue())
    if signed:
        out = io.BytesIO()
        sign(target, out, key(signed))
        target.write_bytes(out.getvalue())
    return target


def index(
    root: Path,
    *,
    suffix: str = ".gz",
    signed: str | None = None,
    algorithm: str = "sha256",
    apart: bool = False,
    modules: str = "",
    groups: str = "",
    others: Sequence[str] = (),
) -> Path:
    """Write the metadata of the packages below a directory; gives the directory.

    apart: files stand in filelists.xml, not in primary.xml. modules: the text of modules.yaml.
    groups: that of comps.xml. others: kinds of metadata that nobody here reads.
    """
    found = []
    for path in sorted(root.rglob("*.rpm")):
        location = str(path.relative_to(root))
        found.append(
            listed(read_package(path), location, digest_of_file(path), path.stat().st_size)
        )
    (root / "repodata").mkdir(parents=True, exist_ok=True)
    indexes = {"primary": primary_xml(replace(each, files=()) if apart else each for each in found)}
    if apart:
        indexes["filelists"] = _filelists(found)
    if modules:
        indexes["modules"] = modules.encode()
    if groups:
        indexes["group" + ("_" + suffix[1:] if suffix else "")] = groups.encode()
    indexes |= dict.fromkeys(others, b"nobody reads this")
    records = ""
    for kind, plain in indexes.items():
        data = COMPRESSIONS[suffix](plain)
        digest = hashlib.new(algorithm, data).hexdigest()
        href = f"repodata/{digest[:12]}-{kind}.xml{suffix}"
        (root / href).write_bytes(data)
        records += (
            f'<data type="{kind}"><checksum type="{algorithm}">{digest}</checksum>'
            f'<location href="{href}"/><size>{len(data)}</size></data>'
        )
    repomd = (
        '<repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f"<revision>{REVISION}</revision>"
        f"{records}</repomd>"
    ).encode()
    (root / "repodata/repomd.xml").write_bytes(repomd)
    if signed:
        signature = pysequoia.sign(
            key(signed).signer(), repomd, mode=pysequoia.SignatureMode.DETACHED
        )
        (root / "repodata/repomd.xml.asc").write_bytes(signature)
    return root


def _filelists(packages: Sequence[IndexedPackage]) -> bytes:
    rows = ""
    for each in packages:
        version, release = each.evr.split("-")
        files = "".join(f"<file>{path}</file>" for path, _ in each.files)
        rows += (
            f'<package pkgid="{each.digest.removeprefix("sha256:")}" name="{each.name}"'
            f' arch="{each.arch}"><version epoch="0" ver="{version}" rel="{release}"/>'
            f"{files}</package>"
        )
    head = (
        f'<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="{len(packages)}">'
    )
    return f"{head}{rows}</filelists>".encode()


class Server:
    """A directory over HTTP. refuse: paths (by their ends) that are answered with a status.
    cut: paths that break off in the middle. asked: the paths of all requests.
    """

    def __init__(self, address: str) -> None:
        self.url = address
        self.refuse: dict[str, int] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []

    def status(self, path: str) -> int:
        return next((code for end, code in self.refuse.items() if path.endswith(end)), 0)


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve a directory on a port of this machine while the block runs."""
    server: Server

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            if code := server.status(self.path):
                self.send_error(code)
            elif any(self.path.endswith(end) for end in server.cut):
                data = (root / self.path.lstrip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            else:
                super().do_GET()

        def do_HEAD(self) -> None:
            server.asked.append(self.path)
            if code := server.status(self.path):
                self.send_error(code)
            else:
                super().do_HEAD()

        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Handler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        server = Server(f"http://127.0.0.1:{running.server_address[1]}/")
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        running.shutdown()


def access(root: Path, *offline: Path) -> Access:
    """A store for one test."""
    return Access.of_store(root, offline=offline)
