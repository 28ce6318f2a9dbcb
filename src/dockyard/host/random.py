"""Random words for one run. None of them ever reaches an artefact."""

from __future__ import annotations

import secrets


def unguessable() -> str:
    """A word of 32 letters and digits that nobody else can know."""
    return secrets.token_hex(16)


def password() -> str:
    """A short word for a person to type; eight characters, of which VNC takes no more."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "".join(secrets.choice(letters) for _ in range(8))
