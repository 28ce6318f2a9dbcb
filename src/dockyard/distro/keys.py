"""The OpenPGP key that signs a distribution's packages and repository.

It is made when it is first needed, and kept at `<keys>/<distro>.pgp` (mode 0600), where <keys> is
DOCKYARD_KEYS or $XDG_DATA_HOME/dockyard/keys: the store may be deleted, a key should not be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pysequoia

from dockyard.distro.arguments import Signer
from dockyard.errors import DockyardError, Problem
from dockyard.host.files import exclusive, write_atomic


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its certificate. fingerprint: upper-case hex."""

    secret: pysequoia.Tsk
    certificate: pysequoia.Cert

    @property
    def fingerprint(self) -> str:
        return str(self.certificate.fingerprint).upper()

    @property
    def public(self) -> bytes:
        """The certificate in ASCII armour."""
        return str(self.certificate).encode()

    def detached(self, data: bytes) -> bytes:
        """A detached signature in ASCII armour."""
        mode = pysequoia.SignatureMode.DETACHED
        return bytes(pysequoia.sign(self.secret.signer(), data, mode=mode, armor=True))


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where keys are unless a user says otherwise."""
    if chosen := environment.get("DOCKYARD_KEYS"):
        return Path(chosen).absolute()
    data = environment.get("XDG_DATA_HOME") or str(
        Path(environment.get("HOME", "/")) / ".local/share"
    )
    return Path(data).absolute() / "dockyard/keys"


def known_key(distro: str, directory: Path) -> SigningKey | None:
    """The key of a distribution; None when there is none yet. Raises DockyardError
    (`distro.bad-key`).
    """
    path = _place(distro, directory)
    try:
        secret = pysequoia.Tsk.from_bytes(path.read_bytes())
        return SigningKey(secret, secret.extract_certificate())
    except FileNotFoundError:
        return None
    except (RuntimeError, ValueError, OSError) as error:
        raise DockyardError(
            Problem(
                "distro.bad-key",
                f"the signing key of {distro} cannot be read",
                str(path),
                str(error).splitlines()[0],
                "put the right key there, or move the file away: a new key will be made",
            )
        ) from error


def signing_key(distro: str, title: str, directory: Path) -> SigningKey:
    """The key of a distribution; made when there is none. Raises DockyardError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(directory / f".{distro}.lock"):
        found = known_key(distro, directory)
        if found is None:
            made = pysequoia.Tsk.generate(f"{title} packages")
            write_atomic(_place(distro, directory), str(made).encode(), 0o600)
            found = SigningKey(made, made.extract_certificate())
    return found


def _place(distro: str, directory: Path) -> Path:
    return directory / f"{distro}.pgp"


def key_of(signer: Signer) -> SigningKey:
    """The key of a signer. Raises DockyardError (`distro.bad-key`) when it is another by now."""
    found = known_key(signer.distro, signer.keys)
    if found is None or found.fingerprint != signer.fingerprint:
        raise DockyardError(
            Problem(
                "distro.bad-key",
                f"the signing key of {signer.distro} was changed while it was in use",
                str(_place(signer.distro, signer.keys)),
                fix="run the command again",
            )
        )
    return found
