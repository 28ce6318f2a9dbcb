"""Disk images from registries: what a reference means, logins, and registries that lie."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.append(str(Path(__file__).parent))
from small_registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    Small,
    digest_of,
    endless,
    registry,
)

from dockyard.errors import DockyardError, Problem
from dockyard.host.loopback import free_port
from dockyard.model.input import AzureLinuxImage, OciPlatform
from dockyard.packages.oci.access import Registries
from dockyard.packages.oci.credentials import Credentials
from dockyard.packages.oci.manifest import file_name, read_manifest
from dockyard.packages.oci.reference import Reference, is_loopback
from dockyard.packages.oci.registry import LARGEST_MANIFEST, require_safe

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

DISK = bytes(1 << 17) + os.urandom(200_000) + bytes(1 << 17)


@pytest.fixture
def small() -> Iterator[Small]:
    with registry() as served:
        yield served


def registries(tmp_path: Path, **more: Any) -> Registries:
    return Registries(tmp_path / "cache", **more)


def bring(
    small: Small, tmp_path: Path, name: str = "os/disk:1.0", platform: str = "", **more: Any
) -> Path:
    mine = registries(tmp_path, **more)
    wanted = OciPlatform(**OciPlatform.split_shorthand(platform)) if platform else None
    return mine.bring(mine.find(Reference.parse(f"{small.host}/{name}"), wanted))


def refused(small: Small, tmp_path: Path, *words: str, **more: Any) -> Problem:
    with pytest.raises(DockyardError) as caught:
        bring(small, tmp_path, *words, **more)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("r.example/a", Reference("r.example", "a", "latest")),
        ("r.example:5000/a/b:1", Reference("r.example:5000", "a/b", "1")),
        ("[::1]:5000/a:1", Reference("[::1]:5000", "a", "1")),
        ("r.example/a@sha256:00", Reference("r.example", "a", "", "sha256:00")),
        ("r.example/a:1@sha256:00", Reference("r.example", "a", "1", "sha256:00")),
    ],
)
def test_references(text: str, meant: Reference) -> None:
    assert Reference.parse(text) == meant


def test_only_the_loopback_address_is_spoken_to_in_plain_text() -> None:
    for host in ("localhost", "127.0.0.1", "127.3.2.1", "::1"):
        assert is_loopback(host)
    for host in ("localhost.example", "128.0.0.1", "10.0.0.1", "0.0.0.0", "registry"):
        assert not is_loopback(host)
    assert Reference.parse("[::1]:5000/a").base == "http://[::1]:5000/v2/a"
    assert Reference.parse("registry.example/a").base == "https://registry.example/v2/a"
    require_safe("https://elsewhere.example/x", "http://127.0.0.1/x")
    for target, asked in (
        ("http://elsewhere.example/x", "https://registry.example/x"),
        ("http://127.0.0.1/x", "https://registry.example/x"),
        ("file:///etc/shadow", "http://127.0.0.1/x"),
        ("https:///x", "http://127.0.0.1/x"),
    ):
        with pytest.raises(DockyardError):
            require_safe(target, asked)


@pytest.mark.parametrize("kind", ["raw", "zst", "gz"])
def test_a_disk_is_fetched_once_and_is_what_was_pushed(
    small: Small, tmp_path: Path, kind: str
) -> None:
    data = {"raw": DISK, "zst": zstd.compress(DISK), "gz": gzip.compress(DISK)}[kind]
    name = "disk.raw" if kind == "raw" else f"disk.raw.{kind}"
    digest = small.artefact({name: data, "disk.raw.sha256": b"text"}, "1.0")
    path = bring(small, tmp_path)
    assert path.read_bytes() == DISK
    assert path == tmp_path / "cache/digests/sha256" / digest.partition(":")[2] / "disk.raw"
    assert len(small.asked("/blobs/")) == 1
    assert bring(small, tmp_path) == path
    assert len(small.asked("/blobs/")) == 1 and len(small.asked("/manifests/")) == 2
    assert not [*(tmp_path / "cache").glob("sha256/*/*")]
    # By its digest it needs no registry at all.
    small.manifests.clear()
    assert bring(small, tmp_path, f"os/disk@{digest}") == path
    assert len(small.asked("/manifests/")) == 2


def test_a_kept_disk_that_was_changed_is_fetched_anew(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.qcow2": DISK}, "1.0")
    path = bring(small, tmp_path)
    os.utime(path)  # touched, and the same
    assert bring(small, tmp_path) == path and len(small.asked("/blobs/")) == 1
    path.write_bytes(b"changed")
    assert bring(small, tmp_path).read_bytes() == DISK
    assert len(small.asked("/blobs/")) == 2


def test_a_transfer_that_breaks_off_goes_on_where_it_was(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.vhdx": DISK}, "1.0")
    small.cut = 2
    assert bring(small, tmp_path).read_bytes() == DISK
    ranges = [headers.get("Range") for headers in small.asked("/blobs/")]
    assert ranges[0] is None and None not in ranges[1:] and len(ranges) == 3


@pytest.mark.parametrize(("index", "manifest"), [(INDEX, None), (DOCKER_LIST, DOCKER_MANIFEST)])
def test_an_index_gives_the_image_of_the_platform(
    small: Small, tmp_path: Path, index: str, manifest: str | None
) -> None:
    kind = {"kind": manifest} if manifest else {}
    entries = []
    for name in ("amd64", "arm64", "arm/v7"):
        digest = small.artefact({"disk.raw": name.encode() * 1000}, **kind)
        processor, _, variant = name.partition("/")
        told = {"os": "linux", "architecture": processor} | (
            {"variant": variant} if variant else {}
        )
        size = len(small.manifests[digest][1])
        entries.append({"mediaType": manifest or "", "digest": digest, "size": size,
                        "platform": told})  # fmt: skip
    small.put({"manifests": entries}, "1.0", kind=index)
    here = "arm64" if os.uname().machine == "aarch64" else "amd64"
    assert bring(small, tmp_path).read_bytes() == here.encode() * 1000
    assert bring(small, tmp_path, platform="linux/arm64").read_bytes() == b"arm64" * 1000
    mine = registries(tmp_path)
    asked = Reference.parse(f"{small.host}/os/disk:1.0")
    v7 = mine.find(asked, OciPlatform(os="linux", architecture="arm/v7"))
    assert mine.bring(v7).read_bytes() == b"arm/v7" * 1000
    problem = refused(small, tmp_path, platform="linux/riscv64")
    assert (
        problem.code == "oci.platform" and "linux/amd64, linux/arm64, linux/arm/v7" in problem.why
    )


def test_a_platform_is_held_against_a_single_image(small: Small, tmp_path: Path) -> None:
    config = json.dumps({"os": "linux", "architecture": "arm64"}).encode()
    kind = "application/vnd.oci.image.config.v1+json"
    told = {"mediaType": kind, "digest": small.add(config), "size": len(config)}
    small.put({"config": told, "layers": [small.layer("disk.raw", DISK)]}, "1.0")
    assert bring(small, tmp_path, platform="linux/arm64").read_bytes() == DISK
    assert "linux/arm64" in refused(small, tmp_path, platform="linux/amd64").why
    small.artefact({"disk.raw": DISK}, "2.0")
    assert "says no platform" in refused(small, tmp_path, "os/disk:2.0", "linux/amd64").why


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.raw": b"1", "b.qcow2": b"2"}, "more than one disk"),
        ({"notes.txt": b"1"}, "no disk"),
        ({"": b"1", "x.txt": b"2"}, "no disk"),
        ({}, "no disk"),
    ],
)
def test_an_artefact_without_one_disk_is_refused(
    small: Small, tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    small.artefact(files, "1.0")
    problem = refused(small, tmp_path)
    assert problem.code == "oci.no-disk" and said in problem.what
    assert not small.asked("/blobs/")


def test_a_single_file_without_a_name_is_the_disk(small: Small, tmp_path: Path) -> None:
    small.artefact({"": DISK}, "1.0")
    assert bring(small, tmp_path).name == "image"


@pytest.mark.parametrize("title", ["../../../etc/x.raw", "/etc/x.raw", "a/../../x.raw", "..raw"])
def test_a_title_leads_nowhere(small: Small, tmp_path: Path, title: str) -> None:
    small.artefact({title: DISK}, "1.0")
    path = bring(small, tmp_path)
    assert path.parent.parent == tmp_path / "cache/digests/sha256"
    assert file_name(read_manifest(
        small.manifests["1.0"][1], "", "sha256:0", Reference("r", "a")).entries[0]
    ) == path.name  # fmt: skip


def test_a_token_is_asked_for_and_goes_nowhere_else(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    small.token = "abc.def"
    small.challenge = (
        f'Bearer realm="{small.address}/token",service="s",scope="repository:os/disk:pull"'
    )
    with registry() as elsewhere:
        digest = elsewhere.add(DISK)
        target = f"{elsewhere.address}/v2/x/blobs/{digest}"
        small.answers[f"/v2/os/disk/blobs/{digest}"] = (307, {"Location": target}, b"")
        assert bring(small, tmp_path).read_bytes() == DISK
        (sent,) = elsewhere.asked("/blobs/")
        assert "Authorization" not in sent
    (path,) = [path for _, path, _ in small.requests if path.startswith("/token")]
    assert "service=s" in path and "scope=repository%3Aos%2Fdisk%3Apull" in path
    assert "Authorization" not in small.asked("/token")[0]


def test_whom_a_registry_sends_to_is_not_told_its_login(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    file = tmp_path / "config.json"
    basic = base64.b64encode(b"me:secret").decode()
    file.write_text(json.dumps({"auths": {small.host: {"auth": basic}}}))
    with registry() as elsewhere:
        elsewhere.challenge = f'Bearer realm="{elsewhere.address}/token",service="s"'
        digest = elsewhere.add(DISK)
        target = f"{elsewhere.address}/v2/x/blobs/{digest}"
        small.answers[f"/v2/os/disk/blobs/{digest}"] = (307, {"Location": target}, b"")
        problem = refused(small, tmp_path, credentials=Credentials((file,)))
        assert problem.code == "oci.denied"
        assert elsewhere.requests and not elsewhere.asked("/token")
        assert all("Authorization" not in sent for sent in elsewhere.asked("/"))


@pytest.mark.parametrize("kind", ["auth", "plain", "by path", "identity"])
def test_a_login_of_docker_is_used(small: Small, tmp_path: Path, kind: str) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    small.token = "abc"
    small.challenge = f'Bearer realm="{small.address}/token",service="s"'
    basic = base64.b64encode(b"me:secret").decode()
    entry: dict[str, str] = {"auth": basic}
    key = small.host
    if kind == "plain":
        entry = {"username": "me", "password": "secret"}
    if kind == "by path":
        key = f"{small.host}/os"
    if kind == "identity":
        entry = {"identitytoken": "refresh"}
    else:
        small.tokens_to = f"Basic {basic}"
    file = tmp_path / "config.json"
    if small.tokens_to:
        assert refused(small, tmp_path).code == "oci.denied"
    file.write_text(json.dumps({"auths": {key: entry}}))
    found = bring(small, tmp_path, credentials=Credentials((tmp_path / "none", file)))
    assert found.read_bytes() == DISK
    if kind == "identity":
        assert {method for method, path, _ in small.requests if path == "/token"} == {"POST"}


def test_basic_logins_and_what_is_said_without_one(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    small.challenge, small.token = 'Basic realm="x"', base64.b64encode(b"me:pw").decode()
    problem = refused(small, tmp_path)
    assert problem.code == "oci.denied" and "no login is known" in problem.why
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "desktop"}))
    problem = refused(small, tmp_path, credentials=Credentials((file,)))
    assert "left to" in problem.why or "not run" in problem.why
    file.write_text(json.dumps({"auths": {small.host: {"auth": small.token}}}))
    assert bring(small, tmp_path, credentials=Credentials((file,))).read_bytes() == DISK
    for damaged in ("[", "[]", json.dumps({"auths": {small.host: {"auth": "%%"}}})):
        file.write_text(damaged)
        problem = refused(small, tmp_path / "other", credentials=Credentials((file,)))
        assert problem.code == "oci.login" and "me:pw" not in str(problem)


def test_wrong_bytes_are_never_used(small: Small, tmp_path: Path) -> None:
    digest = small.artefact({"disk.raw": DISK}, "1.0")
    wrong = DISK[:-1] + b"x"
    small.blobs[digest_of(DISK)] = wrong
    problem = refused(small, tmp_path)
    assert problem.code == "oci.digest" and "dockyard lock" not in problem.fix
    small.blobs[digest_of(DISK)] = DISK
    kind, data = small.manifests[digest]
    small.manifests[digest] = (kind, data.replace(b"disk.raw", b"dusk.raw"))
    problem = refused(small, tmp_path / "other", f"os/disk@{digest}")
    assert problem.code == "oci.digest"
    assert not list(tmp_path.rglob("*.raw"))


def test_other_algorithms_of_a_pin(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    kind, data = small.manifests["1.0"]
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    small.manifests[digest] = (kind, data)
    assert bring(small, tmp_path, f"os/disk@{digest}").read_bytes() == DISK
    small.manifests[f"md5:{'0' * 32}"] = (kind, data)
    assert refused(small, tmp_path, f"os/disk@md5:{'0' * 32}").code == "oci.algorithm"


def test_bodies_without_end_and_manifests_beyond_measure(small: Small, tmp_path: Path) -> None:
    digest = small.artefact({"disk.raw": DISK}, "1.0")
    small.answers[f"/v2/os/disk/blobs/{digest_of(DISK)}"] = endless()
    assert refused(small, tmp_path).code == "oci.digest"
    part = [*(tmp_path / "cache/partial").iterdir()]
    assert sum(path.stat().st_size for path in part) <= len(DISK) + (1 << 19)
    small.answers[f"/v2/os/disk/manifests/{digest}"] = endless(b" " * (1 << 16))
    problem = refused(small, tmp_path / "b", f"os/disk@{digest}")
    assert f"larger than {LARGEST_MANIFEST} bytes" in problem.why
    big = {"layers": [small.layer(f"{number}.txt", b"") for number in range(1001)]}
    small.put(big, "many")
    assert "1001" in refused(small, tmp_path, "os/disk:many").why


def test_a_bomb_is_not_unpacked_beyond_measure(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockyard.packages.oci.cache.LARGEST_IMAGE", 1 << 20)
    small.artefact({"disk.raw.zst": zstd.compress(bytes(4 << 20))}, "1.0")
    problem = refused(small, tmp_path)
    assert problem.code == "oci.unpack" and "more than an image may have" in problem.why
    small.artefact({"disk.raw.gz": gzip.compress(DISK)[:-9]}, "2.0")
    assert refused(small, tmp_path, "os/disk:2.0").code == "oci.unpack"
    assert not list(tmp_path.rglob("*.raw*"))


def test_redirections_to_other_than_https_are_not_followed(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    at = f"/v2/os/disk/blobs/{digest_of(DISK)}"
    for target in ("http://elsewhere.example/x", "file:///etc/passwd", "ftp://127.0.0.1/x"):
        small.answers[at] = (302, {"Location": target}, b"")
        problem = refused(small, tmp_path)
        assert problem.code == "oci.unsafe" and target in problem.why
    small.answers[at] = (302, {"Location": at}, b"")
    assert "redirects" in str(refused(small, tmp_path).excerpt)
    small.challenge = 'Bearer realm="http://elsewhere.example/token"'
    small.answers.clear()
    assert refused(small, tmp_path).code == "oci.unsafe"


def test_addresses_that_are_none_are_not_followed(small: Small, tmp_path: Path) -> None:
    small.artefact({"disk.raw": DISK}, "1.0")
    at = f"/v2/os/disk/blobs/{digest_of(DISK)}"
    for target in ("https://[2001:db8::1/x", "//[/x"):
        small.answers[at] = (302, {"Location": target}, b"")
        problem = refused(small, tmp_path)
        assert (problem.code, problem.why) == ("oci.unsafe", "it names no address")
    small.challenge = 'Bearer realm="https://[/token"'
    small.answers.clear()
    assert refused(small, tmp_path).code == "oci.unsafe"
    # A user that cannot be sent in a header.
    small.challenge = f'Bearer realm="http://%E2%82%AC:a@{small.host}/token"'
    assert refused(small, tmp_path).code == "network.failed"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"schemaVersion": 1}', "schemaVersion is 1"),
        (b'{"schemaVersion": 2}', "media type"),
        (b'{"schemaVersion": 2, "layers": {}}', "no list"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha256:../../x"}]}', "no digest"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha256:%s"}]}' % (b"0" * 64), "no size"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha256:%s", "size": true}]}' % (b"0" * 64),
         "no size"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha512:%s", "size": 4}]}' % (b"0" * 128),
         "sha512"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha256:%s", "size": %d}]}'
         % (b"0" * 64, 1 << 60), "bytes, and may have"),
        (b'{"schemaVersion": 2, "manifests": [3]}', "no digest"),
    ],
)  # fmt: skip
def test_damaged_manifests_are_refused(
    small: Small, tmp_path: Path, body: bytes, said: str
) -> None:
    small.manifests["1.0"] = ("text/plain", body)
    problem = refused(small, tmp_path)
    assert problem.code == "oci.manifest" and said in problem.why


def test_an_index_of_itself_ends(small: Small, tmp_path: Path) -> None:
    digest = small.artefact({"disk.raw": DISK})
    for _ in range(4):
        entry = {"mediaType": INDEX, "digest": digest, "size": 1}
        digest = small.put({"manifests": [entry]}, "1.0", kind=INDEX)
    assert "index of an index" in refused(small, tmp_path).what


def test_what_a_registry_says_of_what_it_lacks_is_told(small: Small, tmp_path: Path) -> None:
    problem = refused(small, tmp_path)
    assert problem.code == "oci.not-there" and "it is not here" in problem.why
    small.artefact({"disk.raw": DISK}, "1.0")
    small.blobs.clear()
    assert refused(small, tmp_path).code == "oci.not-there"
    small.answers["/v2/os/disk/manifests/1.0"] = (503, {}, b"")
    assert "503" in refused(small, tmp_path).why and len(small.asked("manifests/1.0")) == 5


def test_published_azure_linux_images_are_found_where_the_host_says(tmp_path: Path) -> None:
    image = AzureLinuxImage(variant="minimal-os", version="3.0")
    with pytest.raises(DockyardError) as caught:
        registries(tmp_path).azure_linux_reference(image)
    assert "DOCKYARD_AZURE_LINUX" in caught.value.problems[0].fix
    mine = registries(tmp_path, azure_linux="r.example/azurelinux/")
    said = str(mine.azure_linux_reference(image))
    assert said == "r.example/azurelinux/3.0/image/minimal-os:latest"
    dated = AzureLinuxImage(variant="baremetal", version="3.0.20250910")
    said = str(mine.azure_linux_reference(dated))
    assert said == "r.example/azurelinux/3.0/image/baremetal:3.0.20250910"


PROGRAM = os.environ.get("DOCKYARD_TEST_REGISTRY") or shutil.which("docker-registry")


@pytest.mark.skipif(not PROGRAM, reason="docker-registry is not on this machine")
def test_a_disk_from_the_registry_of_docker(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "data")}}
    told = {"version": 0.1, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}
    config.write_text(json.dumps(told))
    base = f"http://127.0.0.1:{port}/v2/os/disk"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([str(PROGRAM), "serve", str(config)], stdout=log, stderr=log)
    try:
        data = zstd.compress(DISK)
        source = Small()
        source.artefact({"disk.raw.zst": data}, "1.0")
        kind, manifest = source.manifests["1.0"]
        _until_up(f"http://127.0.0.1:{port}/v2/")
        for digest, blob in source.blobs.items():
            with _sent("POST", f"{base}/blobs/uploads/") as answer:
                place = answer.headers["Location"]
            _sent("PUT", f"{place}&digest={digest}", blob, "application/octet-stream").close()
        _sent("PUT", f"{base}/manifests/1.0", manifest, kind).close()
        found = registries(tmp_path).find(Reference.parse(f"127.0.0.1:{port}/os/disk:1.0"), None)
        assert found.digest == digest_of(manifest)
        assert registries(tmp_path).bring(found).read_bytes() == DISK
    finally:
        server.terminate()
        server.wait()


def _sent(method: str, url: str, data: bytes = b"", kind: str = "") -> Any:
    import urllib.request

    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    return urllib.request.urlopen(request)


def _until_up(url: str) -> None:
    import time

    for _ in range(100):
        try:
            _sent("GET", url).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the registry does not answer")
