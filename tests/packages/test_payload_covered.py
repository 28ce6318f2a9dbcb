"""What a good signature must cover: the payload, in packages of any age."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pysequoia
import pytest
from rpm_repositories import key

from dockyard.errors import DockyardError
from dockyard.packages.rpm.contents import PackagedFile, RpmPackage
from dockyard.packages.rpm.header import Header, SignatureTag, Tag, Type
from dockyard.packages.rpm.payload import Compressor, write_payload
from dockyard.packages.rpm.reader import LEAD_SIZE, read_package
from dockyard.packages.rpm.signature import check_digests, signers
from dockyard.packages.rpm.writer import padded, write_package

FILES = [
    PackagedFile("/usr/bin/tool", 0o100755, b"the tool\n"),
    PackagedFile("/usr/bin/tool2", 0o100755, b"linked\n", link=7),
    PackagedFile("/usr/bin/tool3", 0o100755, b"linked\n", link=7),
    PackagedFile("/usr/lib/tool", 0o040755),
    PackagedFile("/usr/lib/tool/link", 0o120777, target="../../bin/tool"),
]
_PAYLOAD_TAGS = (Tag.PAYLOADDIGEST, Tag.PAYLOADDIGESTALGO, Tag.PAYLOADDIGESTALT)


def change(path: Path, header: Callable[[Header], None], payload: bytes | None = None) -> Path:
    """The package with its main header changed, signed well, and then with another payload."""
    package = read_package(path)
    data = path.read_bytes()
    header(package.header)
    main = package.header.serialise(Tag.HEADERIMMUTABLE)
    made = pysequoia.sign(
        key("owner").signer(), main, mode=pysequoia.SignatureMode.DETACHED, armor=False
    )
    signature = Header()
    signature.set(SignatureTag.DSAHEADER, Type.BIN, bytes(made))
    content = data[package.payload_offset :] if payload is None else payload
    path.write_bytes(
        data[:LEAD_SIZE]
        + padded(signature.serialise(SignatureTag.HEADERSIGNATURES))
        + main
        + content
    )
    return path


def old(header: Header) -> None:
    """As rpm before 4.14 made it."""
    for tag in _PAYLOAD_TAGS:
        header.remove(tag)


def package(path: Path, files: list[PackagedFile]) -> Path:
    plain = io.BytesIO()
    made = RpmPackage("tool", "1", "1", summary="A tool", license="MIT", files=files)
    write_package(made, plain)
    path.write_bytes(plain.getvalue())
    return path


def payload(files: list[PackagedFile]) -> bytes:
    out = Compressor()
    write_payload(sorted(files, key=lambda file: file.path), out)
    return out.finish()


def replaced(name: str, **fields: object) -> list[PackagedFile]:
    from dataclasses import replace

    return [replace(file, **fields) if file.path == name else file for file in FILES]  # type: ignore[arg-type]


def verdict(path: Path) -> str:
    assert signers(path, [key("owner").extract_certificate()])
    with pytest.raises(DockyardError) as caught:
        check_digests(path)
    return caught.value.problems[0].why


def test_a_package_of_any_age_passes_as_it_was_made(tmp_path: Path) -> None:
    path = package(tmp_path / "a.rpm", FILES)
    check_digests(path)
    check_digests(change(path, old))


EVIL = {
    "another content": (replaced("/usr/bin/tool", data=b"a trojan\n"), "'/usr/bin/tool' is not"),
    "a longer content": (replaced("/usr/bin/tool", data=b"the tool\n\n"), "'/usr/bin/tool' is not"),
    "a content emptied": (replaced("/usr/bin/tool", data=b""), "'/usr/bin/tool' is not"),
    "a link elsewhere": (replaced("/usr/lib/tool/link", target="/tmp/x"), "link' is not"),
    "one more file": (
        [*FILES, PackagedFile("/etc/x", 0o100644, b"x")],
        "'/etc/x', which its header",
    ),
    "a name that draws": (
        [*FILES, PackagedFile("/etc/x\x1b[2J\n  fix", 0o100644, b"x")],
        r"'/etc/x\x1b[2J\n  fix', which its header",
    ),
    "a file less": (FILES[1:], "lacks '/usr/bin/tool'"),
    "a file for a link": (
        replaced("/usr/lib/tool/link", mode=0o100755, data=b"x"),
        "link', which its header does not list so",
    ),
    "linked files emptied": (
        [FILES[0], *(PackagedFile(f"/usr/bin/tool{n}", 0o100755, b"") for n in (2, 3)), *FILES[3:]],
        "is not what its header says",
    ),
}


@pytest.mark.parametrize("kind", EVIL)
def test_an_old_package_whose_payload_was_replaced_does_not(tmp_path: Path, kind: str) -> None:
    files, words = EVIL[kind]
    path = package(tmp_path / "a.rpm", FILES)
    assert words in verdict(change(path, old, payload(files)))


def test_digests_that_do_not_count_are_none(tmp_path: Path) -> None:
    path = package(tmp_path / "a.rpm", FILES)

    def md5(header: Header) -> None:
        header.set(Tag.PAYLOADDIGESTALGO, Type.INT32, (1,))

    assert "does not count" in verdict(change(path, md5))
    path = package(tmp_path / "a.rpm", FILES)

    def weak_files(header: Header) -> None:
        old(header)
        header.remove(Tag.FILEDIGESTALGO)

    assert "none of the SHA-2 family" in verdict(change(path, weak_files))


def test_an_old_payload_of_gzip_is_read(tmp_path: Path) -> None:
    path = package(tmp_path / "a.rpm", FILES)

    def gzipped(header: Header) -> None:
        old(header)
        header.set(Tag.PAYLOADCOMPRESSOR, Type.STRING, "gzip")

    from backports import zstd

    check_digests(change(path, gzipped, gzip.compress(zstd.decompress(payload(FILES)))))
