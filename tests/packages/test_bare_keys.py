"""Keys that only SHA-1 binds, as distributions of ten years ago made them."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path

import pysequoia
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from rpm_repositories import access, add_rpm, index, key

from dockyard.errors import DockyardError
from dockyard.model.packages import RpmRepository
from dockyard.packages.rpm import bare_keys, keys
from dockyard.packages.rpm.header import SignatureTag, Type, without_signatures
from dockyard.packages.rpm.reader import LEAD_SIZE, read_package
from dockyard.packages.rpm.repository import open_repository
from dockyard.packages.rpm.signature import signers
from dockyard.packages.rpm.writer import padded

MADE = 1500000000
DATA = b"what is signed"
HASHES = {2: hashes.SHA1(), 8: hashes.SHA256(), 10: hashes.SHA512()}


def number(value: int) -> bytes:
    return value.bit_length().to_bytes(2) + value.to_bytes((value.bit_length() + 7) // 8)


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4) + body


class Old:
    """An RSA key as RFC 4880 has it, whose own signature is over a SHA-1 digest."""

    def __init__(
        self, bits: int = 2048, own: int = 2, lives: int = 0, exponent: int = 65537
    ) -> None:
        self.key = rsa.generate_private_key(65537, bits)
        modulus = self.key.public_key().public_numbers().n
        self.body = b"\4" + MADE.to_bytes(4) + b"\1" + number(modulus) + number(exponent)
        name = b"Old <old@example.com>"
        framed = b"\x99" + len(self.body).to_bytes(2) + self.body
        self.fingerprint = hashlib.sha1(framed).hexdigest().upper()
        over = framed + b"\xb4" + len(name).to_bytes(4) + name
        more = b"\x02\x1b\x03" + (b"\x05\x09" + lives.to_bytes(4) if lives else b"")
        bound = self.signature(over, kind=0x13, digest=own, more=more)
        data = packet(6, self.body) + packet(13, name) + bound
        [self.certificate] = pysequoia.Cert.split_bytes(data)
        self.data = data

    def signature(
        self,
        data: bytes,
        version: int = 4,
        kind: int = 0,
        digest: int = 8,
        more: bytes = b"",
        when: int = MADE + 5,
    ) -> bytes:
        """more: subpackets. when: Unix seconds."""
        made_at = when.to_bytes(4)
        if version == 3:
            trailer = bytes([kind]) + made_at
            head = b"\3\5" + trailer + bytes.fromhex(self.fingerprint)[-8:] + bytes([1, digest])
        else:
            more += b"\x05\x02" + made_at + b"\x09\x10" + bytes.fromhex(self.fingerprint)[-8:]
            head = bytes([4, kind, 1, digest]) + len(more).to_bytes(2) + more
            trailer = head + b"\4\xff" + len(head).to_bytes(4)
            head += b"\0\0"
        hashed = hashes.Hash(HASHES[digest])
        hashed.update(data + trailer)
        value = hashed.finalize()
        made = self.key.sign(value, padding.PKCS1v15(), Prehashed(HASHES[digest]))
        return packet(2, head + value[:2] + number(int.from_bytes(made)))


@pytest.fixture(scope="module")
def old() -> Old:
    return Old()


def test_the_library_takes_nothing_by_such_a_key(old: Old) -> None:
    """Else this module would be of no use."""
    assert str(old.certificate.fingerprint).upper() == old.fingerprint
    assert bare_keys.is_unbound(old.certificate)
    with pytest.raises(RuntimeError):
        pysequoia.verify(
            bytes=DATA,
            store=lambda _: [old.certificate],
            signature=pysequoia.Sig.from_bytes(old.signature(DATA)),
        )


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("digest", [8, 10])
def test_what_such_a_key_signed_counts(old: Old, version: int, digest: int) -> None:
    made = old.signature(DATA, version, digest=digest)
    assert bare_keys.signers(DATA, made, [old.certificate]) == (old.fingerprint,)
    assert keys.verify_detached(DATA, made, [old.certificate]) == (old.fingerprint,)
    armored = pysequoia.armor(made, pysequoia.ArmorKind.Signature)
    text = armored.encode() if isinstance(armored, str) else armored
    assert bare_keys.signers(DATA, text, [old.certificate]) == (old.fingerprint,)


def test_nothing_else_counts(old: Old) -> None:
    good = old.signature(DATA)
    certificates = [old.certificate]
    for wrong in (
        old.signature(b"other data"),
        old.signature(DATA, digest=2),  # SHA-1
        old.signature(DATA, kind=0x10),  # a certification
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:30],
        b"",
        b"-----BEGIN PGP SIGNATURE-----\nnothing",
    ):
        assert bare_keys.signers(DATA, wrong, certificates) == ()
        with pytest.raises(keys.BadSignature):
            keys.verify_detached(DATA, wrong, certificates)
    assert bare_keys.signers(DATA, good, [Old().certificate]) == ()
    weak = Old(1024)
    assert bare_keys.signers(DATA, weak.signature(DATA), [weak.certificate]) == ()


def test_a_key_that_is_bound_is_judged_by_the_library() -> None:
    bound = Old(own=8)
    assert not bare_keys.is_unbound(bound.certificate)
    assert bare_keys.signers(DATA, bound.signature(DATA), [bound.certificate]) == ()
    made = bound.signature(DATA)
    assert keys.verify_detached(DATA, made, [bound.certificate]) == (bound.fingerprint,)


def test_signatures_of_version_3_count_whatever_binds_the_key() -> None:
    """Packages of Enterprise Linux carry such, and pysequoia refuses the packet as it is."""
    bound = Old(own=8)
    made = bound.signature(DATA, 3)
    with pytest.raises(RuntimeError):
        pysequoia.verify(
            bytes=DATA,
            store=lambda _: [bound.certificate],
            signature=pysequoia.Sig.from_bytes(made),
        )
    assert keys.verify_detached(DATA, made, [bound.certificate]) == (bound.fingerprint,)
    lived = Old(own=8, lives=8)
    early, late = lived.signature(DATA, 3), lived.signature(DATA, 3, when=MADE + 10)
    assert bare_keys.signers(DATA, early, [lived.certificate]) == (lived.fingerprint,)
    assert bare_keys.signers(DATA, late, [lived.certificate]) == ()


@pytest.mark.parametrize("version", [3, 4])
def test_what_was_signed_when_the_key_did_not_live_does_not_count(version: int) -> None:
    mortal = Old(lives=100)
    far = int(time.time()) + 86400
    for when, counts in ((MADE, True), (MADE + 99, True), (MADE - 1, False), (MADE + 100, False)):
        made = mortal.signature(DATA, version, when=when)
        assert bool(bare_keys.signers(DATA, made, [mortal.certificate])) == counts
    immortal = Old()
    made = immortal.signature(DATA, version, when=far)
    assert bare_keys.signers(DATA, made, [immortal.certificate]) == ()


def test_a_signature_that_has_expired_or_says_what_is_not_understood_does_not_count(
    old: Old,
) -> None:
    long = (1 << 31).to_bytes(4)
    for more, counts in (
        (b"\x05\x03" + (60).to_bytes(4), False),
        (b"\x05\x03" + long, True),
        (b"\x02\x64x", True),
        (b"\x02\xe4x", False),  # critical
    ):
        made = old.signature(DATA, more=more)
        assert bool(bare_keys.signers(DATA, made, [old.certificate])) == counts


def test_a_key_or_signature_that_is_none_hides_no_other(old: Old) -> None:
    odd = Old(exponent=1)
    made = old.signature(b"other data", 3) + old.signature(DATA)
    assert bare_keys.signers(DATA, made, [odd.certificate, old.certificate]) == (old.fingerprint,)
    assert bare_keys.signers(DATA, odd.signature(DATA), [odd.certificate]) == ()


@pytest.mark.parametrize("version", [3, 4])
def test_packages_and_metadata_signed_by_such_a_key_are_taken(
    tmp_path: Path, old: Old, version: int
) -> None:
    root = tmp_path / "mirror"
    path = add_rpm(root, "one")
    package = read_package(path)
    main = path.read_bytes()[package.header_offset : package.payload_offset]
    header = without_signatures(package.signature)
    header.set(SignatureTag.RSAHEADER, Type.BIN, old.signature(main, version))
    out = io.BytesIO(path.read_bytes()[:LEAD_SIZE])
    out.seek(0, 2)
    out.write(padded(header.serialise(SignatureTag.HEADERSIGNATURES)))
    path.write_bytes(out.getvalue() + path.read_bytes()[package.header_offset :])
    assert signers(path, [old.certificate]) == (old.fingerprint,)
    with pytest.raises(DockyardError):
        signers(path, [key("owner").extract_certificate()])

    index(root)
    repomd = root / "repodata/repomd.xml"
    (root / "repodata/repomd.xml.asc").write_bytes(old.signature(repomd.read_bytes(), version))
    (tmp_path / "KEY").write_bytes(old.data)
    repository = RpmRepository(
        "r",
        (root.as_uri(),),
        keys=(str(tmp_path / "KEY"),),
        signed_by=(old.fingerprint,),
        check_metadata=True,
    )
    assert open_repository(repository, access(tmp_path)).locked().keys == (old.fingerprint,)
