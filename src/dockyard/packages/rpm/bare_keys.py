"""Verifies signatures of data that pysequoia takes for too old by the primary key itself (RFC 9580,
sections 5.2 and 5.5; RFC 4880, section 5.2.2, for those of version 3).

Two kinds of these are all over the repositories of Enterprise Linux. Keys that were made when SHA-1
was the hash of self-signatures: pysequoia evaluates no key that only SHA-1 binds, but a key that a
person or a definition names needs no such signature, as whoever named it vouches for it. And
signatures of version 3, which is the packet's form and says nothing about its strength. Nothing
weaker counts: it must be by RSA of 2048 bits over a digest of the SHA-2 family, made while the key
lived by what it says of itself, not in the future, and not past its own time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pysequoia
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from dockyard.host import clock

_SIGNATURE, _PUBLIC_KEY, _SUBKEY = 2, 6, 14
_BINDING = range(0x10, 0x14)  # certifications of a name
_TIMES = (2, 3, 9)  # subpackets: when it was made, how long it counts, how long the key lives
_UNDERSTOOD = frozenset((*_TIMES, 11, 16, 20, 21, 22, 23, 25, 27, 30, 33))
_RSA = (1, 3)
_BINARY = 0
_LEAST_BITS = 2048
_HASHES: dict[int, hashes.HashAlgorithm] = {
    8: hashes.SHA256(),
    9: hashes.SHA384(),
    10: hashes.SHA512(),
}


def signers(
    data: bytes, signature: bytes, certificates: Sequence[pysequoia.Cert]
) -> tuple[str, ...]:
    """The fingerprints (upper-case hex) of the certificates whose primary keys made a detached
    signature, binary or armored, over the data; one that pysequoia can judge does not count.
    """
    found: dict[str, None] = {}
    bad = (ValueError, IndexError)  # what another key or signature says may still count
    bodies: list[bytes] = []
    with contextlib.suppress(*bad):
        bodies = [body for tag, body in _packets(_plain(signature)) if tag == _SIGNATURE]
    for body in bodies:
        with contextlib.suppress(*bad):
            algorithm, digest, number = _signed(body, data)
            lifetime = _lifetime(body)
            for each in certificates:
                with contextlib.suppress(*bad):
                    if _counts(each, body[0], lifetime) and _made(
                        algorithm, digest, number, _rsa_key(each)
                    ):
                        found[str(each.fingerprint).upper()] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Lifetime:
    """When a signature was made and until when it counts, in Unix seconds (None: for ever), and how
    long the key that it binds lives, in seconds from when that was made (0: for ever).
    """

    made: int
    until: int | None = None
    of_key: int = 0


def _lifetime(body: bytes) -> _Lifetime:
    """Of the body of a signature packet. Raises ValueError where it says no time, or more that must
    be understood.
    """
    if body[0] == 3:
        return _Lifetime(int.from_bytes(body[3:7]))
    found: dict[int, int] = {}
    at, end = 6, 6 + int.from_bytes(body[4:6])
    while at < end:
        size, at = _subpacket_size(body, at)
        kind, value = body[at] & 0x7F, body[at + 1 : at + size]
        if body[at] & 0x80 and kind not in _UNDERSTOOD:
            raise ValueError(f"a critical subpacket of type {kind} is not known")
        if kind in _TIMES:
            found[kind] = int.from_bytes(value)
        at += size
    made, lives, of_key = (found.get(kind, 0) for kind in _TIMES)
    if not made:
        raise ValueError("it does not say when it was made")
    return _Lifetime(made, made + lives if lives else None, of_key)


def _subpacket_size(body: bytes, at: int) -> tuple[int, int]:
    """The length of a subpacket with its type, and where that is (RFC 9580, 5.2.3.7)."""
    first = body[at]
    if first < 192:
        return max(first, 1), at + 1
    if first < 255:
        return ((first - 192) << 8) + body[at + 1] + 192, at + 2
    return max(int.from_bytes(body[at + 1 : at + 5]), 1), at + 5


def _counts(certificate: pysequoia.Cert, version: int, signature: _Lifetime) -> bool:
    """Whether a key's signature of a version of the packet is to be judged here, and is of a time
    that counts.
    """
    unbound = is_unbound(certificate)
    if not unbound and (version != 3 or certificate.is_revoked):
        return False
    now = clock.now()
    if signature.made > now or (signature.until is not None and signature.until <= now):
        return False
    if unbound:
        created, until = _life_of_key(certificate)
    else:
        created, expiration = _created(certificate), certificate.expiration
        until = None if expiration is None else int(expiration.timestamp())
    return created <= signature.made and (until is None or signature.made < until)


def _created(certificate: pysequoia.Cert) -> int:
    """When the primary key was made, in Unix seconds."""
    return int.from_bytes(next(_packets(bytes(certificate)))[1][1:5])


def _life_of_key(certificate: pysequoia.Cert) -> tuple[int, int | None]:
    """When the primary key was made, and until when it lives, as the newest signature on its names
    says. Nothing that counts binds that: it keeps out what was signed too late, not a forger of
    keys' signatures.
    """
    created = _created(certificate)
    newest = _Lifetime(0)
    for tag, body in _packets(bytes(certificate)):
        if tag == _SUBKEY:
            break
        if tag == _SIGNATURE and body[0] == 4 and body[1] in _BINDING:
            found = _lifetime(body)
            newest = found if found.made >= newest.made else newest
    return created, created + newest.of_key if newest.of_key else None


def is_unbound(certificate: pysequoia.Cert) -> bool:
    """Whether no signature that counts binds a key, and none revokes it."""
    if certificate.is_revoked:
        return False
    try:
        _ = certificate.expiration
    except (RuntimeError, ValueError):
        return True
    return False


def _plain(signature: bytes) -> bytes:
    """A signature without its ASCII armor."""
    import base64

    if not signature.lstrip().startswith(b"-----BEGIN"):
        return signature
    lines = [line.strip() for line in signature.strip().splitlines()]
    start = lines.index(b"") + 1
    body = [line for line in lines[start:-1] if line and not line.startswith(b"=")]
    return base64.b64decode(b"".join(body), validate=True)


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet. Raises ValueError or IndexError for what is none."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise ValueError("no packet starts there")
        at += 1
        if head & 0x40:
            tag, (size, at) = head & 0x3F, _new_size(data, at)
        else:
            width = 1 << (head & 3)
            if width == 8:
                raise ValueError("its length is not given")
            tag, size, at = (head >> 2) & 0xF, int.from_bytes(data[at : at + width]), at + width
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield tag, data[at : at + size]
        at += size


def _new_size(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + data[at + 1] + 192, at + 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5]), at + 5
    raise ValueError("it has parts")


def _signed(body: bytes, data: bytes) -> tuple[hashes.HashAlgorithm, bytes, int]:
    """The hash algorithm of a signature packet, the digest that it signs over the data, and its
    number. Raises ValueError for one that does not count.
    """
    version = body[0]
    if version == 3:
        if body[1] != 5:
            raise ValueError("it is no signature of version 3")
        kind, algorithm, hashed_by = body[2], body[15], body[16]
        trailer, rest = body[2:7], body[17:]
    elif version == 4:
        kind, algorithm, hashed_by = body[1], body[2], body[3]
        end = 6 + int.from_bytes(body[4:6])
        trailer = body[:end] + b"\x04\xff" + end.to_bytes(4)
        rest = body[end + 2 + int.from_bytes(body[end : end + 2]) :]
    else:
        raise ValueError(f"signatures of version {version} are not known")
    if kind != _BINARY or algorithm not in _RSA or hashed_by not in _HASHES:
        raise ValueError("it is no signature of data by RSA over a digest that counts")
    digest = hashlib.new(_HASHES[hashed_by].name, data + trailer).digest()
    if digest[:2] != rest[:2]:
        raise ValueError("it is over other data")
    return _HASHES[hashed_by], digest, _number(rest, 2)[0]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A multiprecision integer, and where it ends."""
    end = at + 2 + (int.from_bytes(data[at : at + 2]) + 7) // 8
    if end > len(data):
        raise ValueError("a number is cut")
    return int.from_bytes(data[at + 2 : end]), end


def _rsa_key(certificate: pysequoia.Cert) -> rsa.RSAPublicKey | None:
    """The primary key of a certificate, where it is one of RSA."""
    tag, body = next(_packets(bytes(certificate)))
    if tag != _PUBLIC_KEY or body[0] != 4 or body[5] not in _RSA:
        return None
    modulus, end = _number(body, 6)
    exponent, _ = _number(body, end)
    if modulus.bit_length() < _LEAST_BITS:
        return None
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _made(
    algorithm: hashes.HashAlgorithm, digest: bytes, number: int, key: rsa.RSAPublicKey | None
) -> bool:
    if key is None:
        return False
    try:
        signature = number.to_bytes((key.key_size + 7) // 8)
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
    except (InvalidSignature, OverflowError):
        return False
    return True
