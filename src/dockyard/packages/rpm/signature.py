"""Signs RPMs, checks them, and takes signatures away again.

A signature covers the main header, which holds the digests of the payload. It stands in the
signature header: tag 267 (DSAHEADER, used for EdDSA and ECDSA too) or 268 (RSAHEADER). OpenPGP
signatures hold the time and a random salt: two signatures of one package differ. So what is pinned
is the content without signatures, and signing never changes it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pysequoia

from dockyard.errors import DockyardError, Problem
from dockyard.packages.rpm.header import Header, MalformedHeader, SignatureTag, Tag, Type, parse
from dockyard.packages.rpm.reader import LEAD_SIZE, content_digest, read_package
from dockyard.packages.rpm.writer import padded

__all__ = ["content_digest", "sign", "signers", "strip_signature"]

_HEADER_SIGNATURES = (SignatureTag.DSAHEADER, SignatureTag.RSAHEADER)
_SIGNATURES = (
    *_HEADER_SIGNATURES,
    SignatureTag.OPENPGP,
    SignatureTag.PGP,
    SignatureTag.GPG,
    SignatureTag.RESERVEDSPACE,
)


def sign(source: Path, out: IO[bytes], key: pysequoia.Tsk) -> None:
    """Write a signed copy of a package; signatures that it has are left out."""
    package = read_package(source)
    main = _main_header(source, package.header_offset, package.payload_offset)
    made = pysequoia.sign(key.signer(), main, mode=pysequoia.SignatureMode.DETACHED, armor=False)
    header = _stripped(package.signature)
    header.set(SignatureTag.DSAHEADER, Type.BIN, bytes(made))
    _copy(source, out, header, package.header_offset)


def strip_signature(source: Path, destination: Path) -> None:
    """Write the package as it was before it was signed: for packages that our writer made, the
    same bytes.
    """
    package = read_package(source)
    with destination.open("wb") as out:
        _copy(source, out, _stripped(package.signature), package.header_offset)


def signers(path: Path, keys: Sequence[pysequoia.Cert]) -> tuple[str, ...]:
    """The fingerprints (upper-case hex) of the keys that signed a package well; () when it has no
    signature.

    Raises DockyardError (`rpm.bad-signature`) when it has one that none of the keys made.
    """
    package = read_package(path)
    found = [package.signature.binary(tag) for tag in _HEADER_SIGNATURES]
    main = _main_header(path, package.header_offset, package.payload_offset)
    good: list[str] = []
    for data in filter(None, found):
        try:
            issuer = ""
            signature = pysequoia.Sig.from_bytes(data)
            issuer = str(signature.issuer_key_id or "").upper()
            result = pysequoia.verify(
                bytes=main,
                store=lambda _wanted: list(keys),
                signature=signature,
            )
        except (RuntimeError, ValueError) as error:
            why = _told(issuer, keys) or str(error).splitlines()[0]
            raise _bad_signature(path, why) from error
        good += [valid.certificate.upper() for valid in result.valid_sigs]
    return tuple(dict.fromkeys(good))


def _told(issuer: str, keys: Sequence[pysequoia.Cert]) -> str:
    """Who made a signature that does not verify; nothing when it does not say."""
    known = ", ".join(str(each.fingerprint).upper() for each in keys) or "none"
    return f"key {issuer} made its signature; the repository's keys: {known}" if issuer else ""


def _main_header(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as source:
        source.seek(start)
        return source.read(end - start)


def _stripped(signature: Header) -> Header:
    header = Header()
    for tag in signature:
        if tag not in _SIGNATURES:
            kind, value = signature.entry(tag)
            header.set(tag, kind, value)
    return header


def _copy(source: Path, out: IO[bytes], signature: Header, start: int) -> None:
    with source.open("rb") as file:
        out.write(file.read(LEAD_SIZE))
        out.write(padded(signature.serialise(SignatureTag.HEADERSIGNATURES)))
        file.seek(start)
        shutil.copyfileobj(file, out, 1 << 20)


def check_digests(path: Path) -> None:
    """Compare a package's own digests of header and payload with its bytes.

    Raises DockyardError (`rpm.damaged`).
    """
    package = read_package(path)
    with path.open("rb") as source:
        source.seek(package.header_offset)
        main = source.read(package.payload_offset - package.header_offset)
        payload = hashlib.file_digest(source, "sha256").hexdigest()
    try:
        parse(main)
    except MalformedHeader as error:
        raise _damaged(path, str(error)) from error
    wanted = package.signature.text(SignatureTag.SHA256HEADER)
    if wanted and hashlib.sha256(main).hexdigest() != wanted:
        raise _damaged(path, "its header is not what its digest says")
    digests = package.header.texts(Tag.PAYLOADDIGEST)
    if digests and payload != digests[0]:
        raise _damaged(path, "its payload is not what its digest says")


def _damaged(path: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="rpm.damaged",
            what=f"{path.name} is damaged",
            where=str(path),
            why=why,
            fix="remove the file; it will be made or fetched again",
        )
    )


def _bad_signature(path: Path, why: str) -> DockyardError:
    return DockyardError(
        Problem(
            code="rpm.bad-signature",
            what=f"the signature of {path.name} is not by a key of its repository",
            where=str(path),
            why=why,
            fix="check where the package came from, and that the repository names its key",
        )
    )
