"""Signs RPMs, checks them, and takes signatures away again.

A signature covers the main header, which holds the digest of the payload, or in old packages of
each file. It stands in the
signature header: tag 267 (DSAHEADER, used for EdDSA and ECDSA too) or 268 (RSAHEADER). OpenPGP
signatures hold the time and a random salt: two signatures of one package differ. So what is pinned
is the content without signatures, and signing never changes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import IO

import pysequoia

from dockyard.errors import DockyardError, Problem
from dockyard.packages.rpm import bare_keys
from dockyard.packages.rpm.contents import FileFlag
from dockyard.packages.rpm.header import (
    Header,
    MalformedHeader,
    SignatureTag,
    Tag,
    Type,
    parse,
    without_signatures,
)
from dockyard.packages.rpm.reader import LEAD_SIZE, RpmFile, content_digest, opened, read_package
from dockyard.packages.rpm.writer import padded

__all__ = ["content_digest", "sign", "signers", "strip_signature"]

_SHA256 = 8
_SHOWN = 60  # characters of a path
# By their numbers in OpenPGP (RFC 9580, section 9.5); older ones do not count.
_ALGORITHMS = {_SHA256: "sha256", 9: "sha384", 10: "sha512"}
_HEADER_SIGNATURES = (SignatureTag.DSAHEADER, SignatureTag.RSAHEADER)


def signed_head(package: RpmFile, key: pysequoia.Tsk) -> bytes:
    """What stands before the main header of a signed copy of a package; signatures that it has are
    left out.
    """
    main = _main_header(package.path, package.header_offset, package.payload_offset)
    made = pysequoia.sign(key.signer(), main, mode=pysequoia.SignatureMode.DETACHED, armor=False)
    header = without_signatures(package.signature)
    header.set(SignatureTag.DSAHEADER, Type.BIN, bytes(made))
    with package.path.open("rb") as file:
        return file.read(LEAD_SIZE) + padded(header.serialise(SignatureTag.HEADERSIGNATURES))


def sign(source: Path, out: IO[bytes], key: pysequoia.Tsk) -> None:
    """Write a signed copy of a package; signatures that it has are left out."""
    package = read_package(source)
    out.write(signed_head(package, key))
    with source.open("rb") as file:
        file.seek(package.header_offset)
        shutil.copyfileobj(file, out, 1 << 20)


def strip_signature(source: Path, destination: Path) -> None:
    """Write the package as it was before it was signed: for packages that our writer made, the
    same bytes.
    """
    package = read_package(source)
    with destination.open("wb") as out:
        _copy(source, out, without_signatures(package.signature), package.header_offset)


def signers(package: RpmFile | Path, keys: Sequence[pysequoia.Cert]) -> tuple[str, ...]:
    """The fingerprints (upper-case hex) of the keys that signed a package well; () when it has no
    signature.

    Raises DockyardError (`rpm.bad-signature`) when it has one that none of the keys made.
    """
    package = opened(package)
    path = package.path
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
            if found_bare := bare_keys.signers(main, data, keys):
                good += found_bare
                continue
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


def _copy(source: Path, out: IO[bytes], signature: Header, start: int) -> None:
    with source.open("rb") as file:
        out.write(file.read(LEAD_SIZE))
        out.write(padded(signature.serialise(SignatureTag.HEADERSIGNATURES)))
        file.seek(start)
        shutil.copyfileobj(file, out, 1 << 20)


def check_digests(package: RpmFile | Path) -> None:
    """Compare what a package's signed header says of itself and of the payload with its bytes.

    Packages that were made before rpm 4.14 have no digest of their payload; theirs is held by the
    digests of the files, which the header has always had, and no other entry may be in it. So what
    passes is covered by the signature in any case. Raises DockyardError (`rpm.damaged`).
    """
    package = opened(package)
    path = package.path
    with path.open("rb") as source:
        source.seek(package.header_offset)
        main = source.read(package.payload_offset - package.header_offset)
    try:
        parse(main)
    except MalformedHeader as error:
        raise _damaged(path, str(error)) from error
    wanted = package.signature.text(SignatureTag.SHA256HEADER)
    if wanted and hashlib.sha256(main).hexdigest() != wanted:
        raise _damaged(path, "its header is not what its digest says")
    if Tag.PAYLOADDIGEST in package.header:
        _check_payload(package)
    else:
        _check_files(package)


def _check_payload(package: RpmFile) -> None:
    digests = package.header.texts(Tag.PAYLOADDIGEST)
    algorithm = _ALGORITHMS.get(package.header.number(Tag.PAYLOADDIGESTALGO, _SHA256))
    if algorithm is None or not digests:
        raise _damaged(package.path, "the digest of its payload is of a kind that does not count")
    with package.path.open("rb") as source:
        source.seek(package.payload_offset)
        payload = hashlib.file_digest(source, algorithm).hexdigest()
    if payload != digests[0].lower():
        raise _damaged(package.path, "its payload is not what its digest says")


def _check_files(package: RpmFile) -> None:
    """Hold the payload's entries to the header's digests and link targets, each of them."""
    header, path = package.header, package.path
    files = package.files()
    digests = header.texts(Tag.FILEDIGESTS)
    algorithm = _ALGORITHMS.get(header.number(Tag.FILEDIGESTALGO))
    regular = any(file.is_regular for file in files)
    if regular and (algorithm is None or len(digests) != len(files)):
        why = "it has no digest of its payload, and its files have none of the SHA-2 family"
        raise _damaged(path, why)
    listed = {file.path: (file, digest) for file, digest in zip_longest(files, digests)}
    missing = {file.path for file in files if not file.flags & FileFlag.GHOST}
    for place, mode, content in package.entries():
        file, digest = listed.get(place, (None, ""))
        if file is None or stat.S_IFMT(mode) != stat.S_IFMT(file.mode):
            why = f"its payload has {place[:_SHOWN]!r}, which its header does not list so"
            raise _damaged(path, why)
        if stat.S_ISLNK(mode):
            good = content == os.fsencode(file.target)
        elif file.is_regular and algorithm:
            good = hashlib.new(algorithm, content).hexdigest() == digest
        else:
            good = not content
        if not good:
            raise _damaged(path, f"its file {place[:_SHOWN]!r} is not what its header says")
        missing.discard(place)
    if missing:
        raise _damaged(path, f"its payload lacks {min(missing)[:_SHOWN]!r}")


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
