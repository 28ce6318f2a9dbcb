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


def signing_key(distro: str, title: str, directory: Path) -> SigningKey:
    """The key of a distribution; made when there is none. Raises DockyardError."""
    path = directory / f"{distro}.pgp"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(directory / f".{distro}.lock"):
        if not path.exists():
            made = pysequoia.Tsk.generate(f"{title} packages")
            write_atomic(path, str(made).encode(), 0o600)
        try:
            secret = pysequoia.Tsk.from_bytes(path.read_bytes())
            return SigningKey(secret, secret.extract_certificate())
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
