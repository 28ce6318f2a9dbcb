"""Signatures: made, checked, and taken away without a trace."""

from __future__ import annotations

from pathlib import Path

import pysequoia
import pytest
from packages_for_rpm import rich_package, write

from dockyard.errors import DockyardError
from dockyard.packages.rpm.signature import (
    check_digests,
    content_digest,
    sign,
    signers,
    strip_signature,
)


@pytest.fixture(scope="module")
def key() -> pysequoia.Tsk:
    return pysequoia.Tsk.generate("Signer")


@pytest.fixture
def signed(tmp_path: Path, key: pysequoia.Tsk) -> tuple[Path, Path]:
    plain, out = write(rich_package(), tmp_path / "plain.rpm"), tmp_path / "signed.rpm"
    with out.open("wb") as file:
        sign(plain, file, key)
    return plain, out


def test_a_signature_names_its_key(signed: tuple[Path, Path], key: pysequoia.Tsk) -> None:
    certificate = key.extract_certificate()
    assert signers(signed[1], [certificate]) == (certificate.fingerprint.upper(),)
    assert signers(signed[0], [certificate]) == ()


def test_signing_changes_no_content(signed: tuple[Path, Path]) -> None:
    plain, out = signed
    assert plain.read_bytes() != out.read_bytes()
    assert content_digest(plain) == content_digest(out)


def test_taking_the_signature_away_gives_the_same_bytes(
    signed: tuple[Path, Path], tmp_path: Path
) -> None:
    plain, out = signed
    strip_signature(out, tmp_path / "stripped.rpm")
    assert (tmp_path / "stripped.rpm").read_bytes() == plain.read_bytes()


def test_a_second_signature_replaces_the_first(signed: tuple[Path, Path], tmp_path: Path) -> None:
    other = pysequoia.Tsk.generate("Other")
    with (tmp_path / "again.rpm").open("wb") as file:
        sign(signed[1], file, other)
    certificate = other.extract_certificate()
    assert signers(tmp_path / "again.rpm", [certificate]) == (certificate.fingerprint.upper(),)


def test_a_foreign_signature_is_refused(signed: tuple[Path, Path]) -> None:
    foreign = pysequoia.Tsk.generate("Foreign").extract_certificate()
    with pytest.raises(DockyardError) as caught:
        signers(signed[1], [foreign])
    assert caught.value.problems[0].code == "rpm.bad-signature"


def test_a_changed_header_is_refused(signed: tuple[Path, Path], key: pysequoia.Tsk) -> None:
    path = signed[1]
    path.write_bytes(path.read_bytes().replace(b"A sample", b"A simple"))
    with pytest.raises(DockyardError):
        signers(path, [key.extract_certificate()])
    with pytest.raises(DockyardError) as caught:
        check_digests(path)
    assert caught.value.problems[0].code == "rpm.damaged"


def test_a_changed_payload_is_found(signed: tuple[Path, Path]) -> None:
    path = signed[0]
    check_digests(path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DockyardError) as caught:
        check_digests(path)
    assert "payload" in caught.value.problems[0].why
