"""Checks one package: that it is what was pinned, and signed by whom it must be signed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pysequoia

from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.packages import Pin
from dockyard.packages.rpm.reader import RpmFile, content_digest, opened
from dockyard.packages.rpm.signature import check_digests, signers

REFRESH = "move the pin with: dockyard lock --refresh-missing"


@dataclass(frozen=True, slots=True)
class Trust:
    """By whom the packages of a repository must be signed.

    certificates: its keys. recorded: the fingerprints that count. position: of the repository's
    declaration.
    """

    certificates: tuple[pysequoia.Cert, ...]
    recorded: frozenset[str]
    position: Position | None = None


def check_file(
    file: RpmFile | Path, pin: Pin, trust: Trust | None, where: Position | str | None = None
) -> None:
    """Check that a file, which may be open, is the package of a pin. A file pinned by digest has
    been checked when it was fetched. trust: None where it need not be signed. where: the lock's
    file, for errors. Raises DockyardError (`lock.digest-mismatch`, `lock.bad-signature`).
    """
    if pin.content:
        package = opened(file)
        found = content_digest(package)
        if found != pin.content:
            raise DockyardError(
                Problem(
                    "lock.digest-mismatch",
                    f"{pin.nevra} is not the package that was pinned",
                    where,
                    why=f"its content was {pin.content}, {package.path} has {found}",
                    fix="build its repository from what it was built from when the lock was "
                    f"made, or {REFRESH}",
                )
            )
    if trust:
        _verify(pin, file, trust, trust.position or where)


def _verify(pin: Pin, file: RpmFile | Path, trust: Trust, where: Position | str | None) -> None:
    """Check a package's signature, and that the package is what the signature covers.

    where: the repository is declared.
    """
    what = f"{pin.nevra} is not signed by a key of repository {pin.repository}"
    fix = "do not install it before you know why; check the repository's gpgkey"
    try:
        package = opened(file)
        found = signers(package, trust.certificates)
        check_digests(package)
    except DockyardError as error:
        why = error.problems[0].why
        problem = Problem("lock.bad-signature", what, where, why=why, fix=fix)
        raise DockyardError(problem) from None
    if trust.recorded.isdisjoint(found):
        why = "it has no signature" if not found else f"it is signed by {', '.join(found)}"
        raise DockyardError(Problem("lock.bad-signature", what, where, why=why, fix=fix))
