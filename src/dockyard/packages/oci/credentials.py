"""Who the user is to a registry: what `docker login` or `podman login` noted.

The files are those of Docker's `config.json`: `auths` has user and password, base64, or an identity
token, by the registry or a path in it. Helper programs that a file names are not run.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.errors import DockyardError, Problem
from dockyard.host.files import read_regular
from dockyard.packages.oci.reference import Reference

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a registry. identity: a token in place of a password."""

    user: str
    password: str = ""
    identity: str = ""

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


@dataclass(frozen=True)
class Credentials:
    """The files that logins are in, the first that knows a registry counts."""

    files: tuple[Path, ...] = ()

    @classmethod
    def of_host(cls, environment: Mapping[str, str]) -> Credentials:
        """The files of Docker and of containers-auth.json(5), as the environment names them."""
        home = Path(environment.get("HOME", "/nonexistent"))
        places = [Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"]
        if named := environment.get("REGISTRY_AUTH_FILE"):
            places.insert(0, Path(named))
        elif runtime := environment.get("XDG_RUNTIME_DIR"):
            places.append(Path(runtime) / "containers/auth.json")
        return cls(tuple(places))

    def login(self, reference: Reference) -> Login | None:
        """The login for an image. Raises DockyardError (`oci.login`) for a file that is damaged."""
        for file in self.files:
            found = _read(file).get("auths")
            known = found if isinstance(found, dict) else {}
            for key in _keys(reference):
                if isinstance(entry := known.get(key), dict) and (login := _login(entry, file)):
                    return login
        return None

    def helper(self, reference: Reference) -> Path | None:
        """A file that leaves the login of a registry to a program."""
        for file in self.files:
            found = _read(file)
            helpers = found.get("credHelpers")
            if (isinstance(helpers, dict) and reference.registry in helpers) or found.get(
                "credsStore"
            ):
                return file
        return None


def _keys(reference: Reference) -> list[str]:
    """The names under which a file may have the login, the most exact first."""
    parts = [reference.registry, *reference.repository.split("/")]
    paths = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [*paths, f"https://{reference.registry}", f"https://{reference.registry}/v2/"]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(file, _LARGEST))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, "it is no JSON object that can be read") from error
    if not isinstance(found, dict):
        raise _damaged(file, "it is no JSON object")
    return found


def _login(entry: dict[str, Any], file: Path) -> Login | None:
    identity = entry.get("identitytoken")
    if isinstance(identity, str) and identity:
        return Login("<token>", identity=identity)
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Login(entry["username"], entry["password"])
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _damaged(file, "a login in it is not base64") from error
    if not colon:
        raise _damaged(file, "a login in it has no password")
    return Login(user, password.rstrip("\0"))


def _damaged(file: Path, why: str) -> DockyardError:
    what = "the file with the logins of registries cannot be read"
    return DockyardError(Problem("oci.login", what, str(file), why, "log in anew, or remove it"))
