"""Metadata and packages that were made to harm: an error with words, and never more memory or time
than an honest one takes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from listed_packages import metadata
from rpm_repositories import access, add_rpm, index

from dockyard.errors import DockyardError
from dockyard.model.packages import Request, RpmRepository
from dockyard.packages import compression
from dockyard.packages.deb.archive import PackagesFile, Suite, _digests
from dockyard.packages.deb.control import paragraphs
from dockyard.packages.deb.index import open_index
from dockyard.packages.deb.package import read_deb
from dockyard.packages.pool import PackagePool, every_pin
from dockyard.packages.rpm import mirrors, modules, repomd
from dockyard.packages.rpm.header import Header, SignatureTag, Tag, Type, Value
from dockyard.packages.rpm.primary import listed, primary_xml
from dockyard.packages.rpm.reader import LEAD_SIZE, read_package
from dockyard.packages.rpm.repository import open_repository
from dockyard.packages.rpm.writer import padded
from dockyard.packages.solve import solve


def replace_index(root: Path, kind: str, plain: bytes, suffix: str, declared: str = "") -> None:
    """Give a repository another index file of a kind, with a good digest."""
    data = gzip.compress(plain) if suffix == ".gz" else zstd.compress(plain)
    digest = hashlib.sha256(data).hexdigest()
    href = f"repodata/{kind}.xml{suffix}"
    (root / href).write_bytes(data)
    file = root / "repodata/repomd.xml"
    record = (
        f'<data type="{kind}"><checksum type="sha256">{digest}</checksum>'
        f'<location href="{href}"/><size>{len(data)}</size>{declared}</data>'
    )
    file.write_text(re.sub(f'<data type="{kind}">.*?</data>', record, file.read_text()))


def repository(tmp_path: Path) -> tuple[Path, RpmRepository]:
    root = tmp_path / "mirror"
    add_rpm(root, "one")
    return index(root), RpmRepository("r", (root.as_uri() + "/",), check_packages=False)


def why(repository: RpmRepository, store: Path) -> str:
    with pytest.raises(DockyardError) as caught:
        solve(Request(("one",)), [open_repository(repository, access(store))], store / "cache")
    return caught.value.problems[0].why


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_metadata_that_swells_is_refused(tmp_path: Path, suffix: str) -> None:
    root, source = repository(tmp_path)
    replace_index(root, "primary", bytes(64 << 20), suffix)
    assert "it holds more than the" in why(source, tmp_path / "store")


def test_metadata_beyond_its_declared_size_is_refused(tmp_path: Path) -> None:
    root, source = repository(tmp_path)
    plain = gzip.decompress(next((root / "repodata").glob("*primary*")).read_bytes())
    replace_index(root, "primary", plain, ".gz", f"<open-size>{len(plain)}</open-size>")
    assert solve(
        Request(("one",)), [open_repository(source, access(tmp_path))], tmp_path / "cache"
    ).packages
    replace_index(root, "primary", plain + b" ", ".gz", f"<open-size>{len(plain)}</open-size>")
    assert f"more than the {len(plain)} bytes" in why(source, tmp_path / "other")


def test_an_honest_stream_is_read_whole(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(1 << 20) + bytes(3 << 20)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(data))
    assert compression.read_whole(path, ".gz") == data
    assert compression.read_whole(path, ".gz", len(data)) == data


REPOMD = (
    '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
    '<data type="primary"><checksum type="sha256">{}</checksum>'
    '<location href="repodata/p.xml.gz"/><size>{}</size></data></repomd>'
)


@pytest.mark.parametrize("size", ["9" * 5000, "\u00b2", "-5", "", "many"])
def test_a_size_beyond_measure_counts_as_none(size: str) -> None:
    assert repomd.parse(REPOMD.format("a" * 64, size).encode()).primary.size == 0


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" encoding="nonsense"?><repomd/>',
        '<?xml version="1.0" encoding="utf-32"?><repomd/>',
        "<a>" * 100_000,
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY a{n} "{"&a" + str(n - 1 or "") + ";" * 1}">' * 1 for n in range(1, 9))
        + "]><repomd>&a8;</repomd>",
    ],
    ids=["encoding", "utf-32", "deep", "entities"],
)
def test_xml_that_is_none_is_an_error_with_words(text: str) -> None:
    with pytest.raises(repomd.MalformedRepomd):
        repomd.parse(text.encode())
    with pytest.raises(mirrors.MalformedMirrors):
        mirrors.parse_metalink(text.encode())


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """A text with a piece of it replaced, repeated or lost."""

    def mutate(start: int, length: int, put: bytes) -> bytes:
        start %= len(data)
        return data[:start] + put + data[start + length :]

    puts = st.binary(max_size=8) | st.sampled_from(
        [b"9" * 5000, b"<", b"&#0;", b"\xff\xfe", b'"', b"\n\n", b"\0", b"../", b"\xc2\xb2"]
    )
    return st.builds(mutate, st.integers(0, 1 << 20), st.integers(0, 30), puts)


@given(mutations(REPOMD.format("a" * 64, "12").encode()))
def test_no_damage_of_repomd_is_a_traceback(data: bytes) -> None:
    try:
        repomd.parse(data)
    except repomd.MalformedRepomd as error:
        assert str(error)


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = add_rpm(tmp_path_factory.mktemp("rpm"), "one", requires=["two >= 1:2-3"])
    return primary_xml([listed(read_package(path), "Packages/one.rpm", "sha256:" + "a" * 64, 9)])


def damaged(data: bytes, count: int) -> Iterator[bytes]:
    """The same damage at every run: bytes changed, cut out, and put in."""
    chance = random.Random(7)
    puts = [b"9" * 5000, b"<", b"&#0;", b"\xff", b'"', b"", b"\0", b"../", b"\xc2\xb2", b"-1"]
    for _ in range(count):
        start = chance.randrange(len(data))
        yield data[:start] + chance.choice(puts) + data[start + chance.randrange(20) :]


def test_no_damage_of_primary_is_a_traceback(tmp_path: Path, primary: bytes) -> None:
    seen = 0
    for number, data in enumerate(damaged(primary, 60)):
        opened = replace(metadata("r"), identity=f"sha256:{number}", primary=partial(bytes, data))
        try:
            every_pin([opened], tmp_path)
            PackagePool([opened], Request(("one",)), tmp_path)
            solve(Request(("one",)), [opened], tmp_path)
        except DockyardError as error:
            seen += 1
            for problem in error.problems:
                f"{problem.what}{problem.why}".encode()
    assert seen > 5


PACKAGES = b"""\
Package: a
Version: 1:2.0-3
Architecture: amd64
Depends: b (>= 1.0), c | d
Filename: pool/a.deb
Size: 12
SHA256: %s

Package: b
Version: 1.0
Architecture: all
Filename: pool/b.deb
Size: 7
SHA256: %s
""" % (b"a" * 64, b"b" * 64)


def test_no_damage_of_a_packages_file_is_a_traceback(tmp_path: Path) -> None:
    store = access(tmp_path)
    for number, data in enumerate(damaged(PACKAGES, 60)):
        file = PackagesFile(Suite("stable"), store.blobs.add_bytes(data), "")
        try:
            found = open_index([file], store.blobs, tmp_path / f"solv{number}")
            for name in ("a", "b"):
                found.named(name)
        except DockyardError as error:
            assert error.problems[0].code == "debian.bad-index"


@given(mutations(b"Origin: Debian\nSHA256:\n " + b"a" * 64 + b" 12 main/Packages\nDate: x\n"))
def test_no_damage_of_a_release_is_a_traceback(data: bytes) -> None:
    for fields in paragraphs(data.decode(errors="replace")):
        _digests(fields.get("SHA256", ""))


def test_an_ar_member_of_negative_size_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    head = b"debian-binary   0           0     0     100644  -60       `\n"
    path.write_bytes(b"!<arch>\n" + head + bytes(100))
    with pytest.raises(DockyardError, match="not a whole Debian package"):
        read_deb(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: &a [x]\nb: *c",
        "\x00",
        "--- {document: modulemd, data: {artifacts: {rpms: [[a], {}]}}}",
    ],
)
def test_modules_that_are_none_are_an_error_or_nothing(text: str) -> None:
    try:
        assert modules.parse(text.encode()).streams == {}
    except modules.MalformedModules as error:
        assert str(error)


def rewritten(path: Path, change: Callable[[Header], None]) -> Path:
    """The package with its main header changed and no signature."""
    package = read_package(path)
    data = path.read_bytes()
    change(package.header)
    path.write_bytes(
        data[:LEAD_SIZE]
        + padded(Header().serialise(SignatureTag.HEADERSIGNATURES))
        + package.header.serialise(Tag.HEADERIMMUTABLE)
        + data[package.payload_offset :]
    )
    return path


COLUMNS = (
    Tag.BASENAMES, Tag.DIRNAMES, Tag.DIRINDEXES, Tag.FILEMODES, Tag.FILEFLAGS, Tag.FILEUSERNAME,
    Tag.FILEMTIMES, Tag.FILELINKTOS, Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION,
    Tag.REQUIREFLAGS, Tag.NAME, Tag.VERSION, Tag.EPOCH, Tag.SIZE, Tag.FILEDIGESTS, Tag.FILEINODES,
)  # fmt: skip
VALUES: dict[str, tuple[Type, Value] | str | None] = {
    "none": None,
    "one more": "more",
    "numbers": (Type.INT32, (1 << 31, 7, 7)),
    "texts": (Type.STRING_ARRAY, ("x\x01", "\udcff/", "9" * 5000)),
    "bytes": (Type.BIN, b"\0\xff"),
    "no text": (Type.STRING, ""),
}


def more(value: Value) -> Value:
    """A column with its last element once more."""
    if isinstance(value, tuple):
        return (
            tuple(str(each) for each in (*value, *value[-1:]))
            if _texts(value)
            else (*(int(each) for each in value), *(int(each) for each in value[-1:]))
        )
    return value


def _texts(value: Value) -> bool:
    return isinstance(value, tuple) and any(isinstance(each, str) for each in value)


@pytest.mark.parametrize("kind", VALUES)
def test_a_header_whose_columns_do_not_fit_is_no_traceback(tmp_path: Path, kind: str) -> None:
    for tag in COLUMNS:

        def change(header: Header, tag: Tag = tag) -> None:
            value = VALUES[kind]
            if isinstance(value, tuple):
                header.set(tag, *value)
            elif value is None or tag not in header:
                header.remove(tag)
            else:
                type_, old = header.entry(tag)
                header.set(tag, type_, more(old))

        root = tmp_path / f"{kind} {tag.name}"
        path = rewritten(add_rpm(root, "one", requires=["two >= 1"]), change)
        source = RpmRepository("r", (root.as_uri() + "/",), check_packages=False)
        try:
            opened = open_repository(source, access(tmp_path / f"store {tag.name}"))
            every_pin([opened], tmp_path / f"cache {tag.name}")
            read_package(path).files()
        except DockyardError as error:
            for problem in error.problems:
                f"{problem.what}{problem.why}".encode()


def test_columns_of_unequal_length_are_told(tmp_path: Path) -> None:
    def change(header: Header) -> None:
        header.set(Tag.PROVIDEVERSION, Type.STRING_ARRAY, ("1", "2"))

    path = rewritten(add_rpm(tmp_path, "one"), change)
    with pytest.raises(DockyardError) as caught:
        read_package(path).relations("provides")
    assert "the columns of its provides are of unequal length" in caught.value.problems[0].why


def test_bytes_changed_anywhere_in_a_package_are_no_traceback(tmp_path: Path) -> None:
    whole = add_rpm(tmp_path / "good", "one", requires=["two"]).read_bytes()
    chance = random.Random(3)
    path = tmp_path / "bad.rpm"
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(96, len(data))] = chance.choice((0, 1, 0x7F, 0xFF))
        path.write_bytes(data)
        try:
            package = read_package(path)
            primary_xml([listed(package, "one.rpm", "sha256:" + "a" * 64, len(data))])
            list(package.contents())
            io.StringIO(package.nevra)
        except DockyardError:
            pass
