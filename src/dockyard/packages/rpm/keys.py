"""OpenPGP keys of a repository, and the detached signature of its repomd.xml.

A signature counts when one of the repository's own keys made it; a key that the user's keyring or
a key server knows is never asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pysequoia

from dockyard.errors import DockyardError, Problem
from dockyard.host import clock
from dockyard.host.files import read_regular, write_atomic
from dockyard.host.network import TransferFailed, url_text
from dockyard.model.packages import RpmRepository
from dockyard.packages.access import Access
from dockyard.packages.rpm import bare_keys

_LIMIT = 4 << 20
_ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_REMOTE = re.compile(r"https?://")


class BadSignature(ValueError):
    """No key of the repository made this signature over these bytes."""


def load(
    repository: RpmRepository, access: Access, wanted: Sequence[str] = ()
) -> tuple[pysequoia.Cert, ...]:
    """The keys of a repository.

    wanted: fingerprints that a lock records; keys of these that were fetched before serve again,
    without asking the network, as do those of the fingerprints that the repository itself names.
    Raises DockyardError (`repository.no-key`, `.bad-key`, `.other-key`).
    """
    if wanted or repository.signed_by:
        before = [
            _kept(source, access).read_bytes()
            for source in repository.keys
            if _kept(source, access).is_file()
        ]
        known = _counting((cert for data in before for cert in _split(data)), repository)
        if set(wanted or repository.signed_by) <= set(fingerprints(known)):
            _require_past(repository, known)
            return known
    certificates = _signing(repository, access) if repository.signed_by else []
    for source in () if repository.signed_by else repository.keys:
        certificates += _certificates(source, repository, access)
    if not certificates:
        what = f"{repository.id} is to be verified, but names no key"
        raise _problem(repository, "no-key", what, "")
    _require_past(repository, certificates)
    return tuple(certificates)


def _counting(
    certificates: Iterable[pysequoia.Cert], repository: RpmRepository
) -> tuple[pysequoia.Cert, ...]:
    """Those of some certificates that count for a repository."""
    wanted = repository.signed_by
    return tuple(each for each in certificates if not wanted or _name(each) in wanted)


def _signing(repository: RpmRepository, access: Access) -> list[pysequoia.Cert]:
    """The keys of the fingerprints that a repository names, from the first place that has each."""
    found: dict[str, pysequoia.Cert] = {}
    failures: list[str] = []
    for source in repository.keys:
        if found.keys() >= set(repository.signed_by):
            break
        try:
            here = _certificates(source, repository, access)
        except DockyardError as error:
            failures += [f"{each.what}: {each.why}" for each in error.problems]
            continue
        for each in _counting(here, repository):
            found.setdefault(_name(each), each)
        others = [_name(each) for each in here if _name(each) not in repository.signed_by]
        if len(others) == len(here):
            failures.append(f"{url_text(source)} has other keys: {', '.join(others)}")
    if lacking := sorted(set(repository.signed_by) - found.keys()):
        raise DockyardError(
            Problem(
                "repository.other-key",
                f"repository {repository.id} lacks the key {lacking[0]}",
                repository.position,
                why="its packages count only when a key of this fingerprint signed them"
                + ("" if failures else ", and no place is named that has it"),
                fix="give the file of the key with --rpm-key FILE",
                excerpt=tuple(failures),
            )
        )
    return list(found.values())


def _certificates(
    source: str, repository: RpmRepository, access: Access
) -> tuple[pysequoia.Cert, ...]:
    """The keys of one place; what was fetched is kept."""
    data = _read(source, repository, access)
    try:
        found = _split(data)
    except (RuntimeError, ValueError) as error:
        what = f"a key of {repository.id} is no OpenPGP key: {url_text(source)}"
        raise _problem(repository, "bad-key", what, first_line(error)) from None
    if _REMOTE.match(source) and _counting(found, repository):
        _kept(source, access).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(_kept(source, access), data)
    return found


def _split(data: bytes) -> tuple[pysequoia.Cert, ...]:
    """The keys of a file: binary, or in ASCII armor, one block after the other. Raises RuntimeError
    or ValueError.
    """
    before, *blocks = data.split(_ARMOR)
    parts = [_ARMOR + block for block in blocks] or [before]
    return tuple(each for part in parts for each in pysequoia.Cert.split_bytes(part))


def _name(certificate: pysequoia.Cert) -> str:
    return str(certificate.fingerprint).upper()


def _require_past(repository: RpmRepository, certificates: Sequence[pysequoia.Cert]) -> None:
    """Raise DockyardError (`repository.key-from-future`) for keys that are made only later: none
    of their signatures would be good, and none would say why.
    """
    now = clock.now()
    times = {each.fingerprint.upper(): made_at(bytes(each)) for each in certificates}
    future = {name: made for name, made in times.items() if made > now}
    if future and len(future) == len(times):
        name, made = min(future.items(), key=lambda item: item[1])
        raise DockyardError(
            Problem(
                "repository.key-from-future",
                f"the key of repository {repository.id} is from the future",
                repository.position,
                why=f"key {name} was made on {_day(made)}; this machine's clock says {_day(now)}",
                fix="correct the clock",
            )
        )


def made_at(certificate: bytes) -> int:
    """When the primary key of a certificate was made, Unix seconds; 0 when it cannot be told.

    The first packet is the key (RFC 9580, sections 4.2 and 5.5.2): header, version, time.
    """
    if len(certificate) < 2 or not certificate[0] & 0x80:
        return 0
    if certificate[0] & 0x40:
        first = certificate[1]
        skipped = 2 if first < 192 else 3 if first < 224 else 6
    else:
        skipped = 1 + (1, 2, 4, 0)[certificate[0] & 3]
    body = certificate[skipped : skipped + 5]
    return int.from_bytes(body[1:]) if len(body) == 5 and body[0] in (4, 5, 6) else 0


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _read(source: str, repository: RpmRepository, access: Access) -> bytes:
    try:
        if source.startswith("/"):
            return read_regular(Path(source), _LIMIT)
        return access.network.read(source, _LIMIT)
    except (OSError, TransferFailed) as error:
        why = error.why if isinstance(error, TransferFailed) else str(error)
        what = f"a key of {repository.id} is not to be had: {url_text(source)}"
        raise _problem(repository, "no-key", what, why) from None


def _kept(source: str, access: Access) -> Path:
    """Where a fetched key is kept."""
    return access.cache / "keys" / hashlib.sha256(source.encode()).hexdigest()


def fingerprints(certificates: Sequence[pysequoia.Cert]) -> tuple[str, ...]:
    """The fingerprints of keys, upper-case hex, sorted."""
    return tuple(sorted({cert.fingerprint.upper() for cert in certificates}))


def verify_detached(
    data: bytes, signature: bytes, certificates: Sequence[pysequoia.Cert]
) -> tuple[str, ...]:
    """The fingerprints of the keys that signed the data. Raises BadSignature."""
    try:
        checked = pysequoia.verify(
            bytes=data,
            store=lambda _wanted: list(certificates),
            signature=pysequoia.Sig.from_bytes(signature),
        )
    except (RuntimeError, ValueError) as error:
        if found := bare_keys.signers(data, signature, certificates):
            return found
        raise BadSignature(first_line(error)) from None
    signers = tuple(sorted({found.certificate.upper() for found in checked.valid_sigs}))
    if not signers:
        raise BadSignature("it has no valid signature")
    return signers


def first_line(error: BaseException) -> str:
    """The message of a library's error without the backtrace that may follow it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _problem(repository: RpmRepository, code: str, what: str, why: str) -> DockyardError:
    fix = "name the key that the repository's owner publishes with gpgkey"
    where = repository.position
    return DockyardError(Problem(f"repository.{code}", what, where, why=why, fix=fix))
