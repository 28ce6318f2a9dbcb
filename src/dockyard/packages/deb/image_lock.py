"""Chooses the Debian packages of an image, and moves pins that nobody has any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pysequoia

from dockyard.errors import DockyardError, Problem
from dockyard.model.debian_archive import PRIORITIES
from dockyard.model.packages import DebRepository, Lock, Pin, Request
from dockyard.packages.access import Access
from dockyard.packages.blobs import Blobs
from dockyard.packages.deb.archive import DebianArchive, PackagesFile, archive_certificates
from dockyard.packages.deb.index import Index, open_index
from dockyard.packages.deb.installed import InstalledDebs
from dockyard.packages.deb.pins import locked_repository, pin
from dockyard.packages.deb.refresh import lost, move_gone
from dockyard.packages.deb.repository import need_addresses, suite_of
from dockyard.packages.deb.solve import Wish, solve
from dockyard.packages.origins import Origins

if TYPE_CHECKING:
    from dockyard.packages.solve import Solution


def make_lock(
    subject: str,
    request: Request,
    repositories: Sequence[DebRepository],
    access: Access,
    tools: Iterable[Pin],
) -> Lock:
    """Choose the packages of a request from suites as they are now, and pin them. Raises
    DockyardError: `debian.…`, `fetch.…`.
    """
    index, files = open_repositories(repositories, access)
    excluded = set(request.exclude)
    wishes = [Wish(item, request.wanted_by.get(item)) for item in request.install]
    essential = set(index.essential())
    for name in index.base(PRIORITIES[request.base] if request.base else 0):
        if name in essential or name not in excluded:
            wishes.append(Wish(name, f"the {request.base} packages of the distribution"))
    pins = sorted(pin(each) for each in solve(index, wishes, exclude=excluded))
    return Lock(
        subject,
        request,
        tuple(sorted(map(locked_repository, files))),
        tuple(pins),
        tuple(sorted(tools)),
        _answers(request, index, pins),
    )


def refresh_missing(lock: Lock, repositories: Sequence[DebRepository], access: Access) -> Lock:
    """The lock with the pins moved that nobody has any more, and those that have to go with them;
    the same lock where there are none. Raises DockyardError as `move_gone` does, and
    `debian.no-package` for what was asked for and is no longer there.
    """
    if lock.request is None:
        return lock
    index, files = open_repositories(repositories, access)
    mirrors = dict.fromkeys(base for each in repositories for base in each.base_urls)
    origins = Origins(tuple(mirrors), tuple(access.offline))
    pins, why = move_gone(lock.packages, index, access.blobs, origins)
    if problems := lost(lock.packages, pins, set(lock.request.install)):
        raise DockyardError(*problems)
    if not why:
        return lock
    return replace(
        lock,
        packages=tuple(sorted(pins)),
        repositories=tuple(sorted(map(locked_repository, files))),
        answers=_answers(lock.request, index, pins),
    )


def lock_change(
    subject: str,
    request: Request,
    repositories: Sequence[DebRepository],
    access: Access,
    tools: Iterable[Pin],
    installed: InstalledDebs,
) -> tuple[Lock, Solution]:
    """The lock of what changes in a system that exists, and the choice in a person's terms. A
    request that only removes asks no repository. Raises DockyardError with every problem.
    """
    from dockyard.packages.deb.solve_change import solve_change

    asked = repositories if request.asks_repositories else ()
    index, files = open_repositories(asked, access, installed)
    chosen = solve_change(index, request, installed)
    locked = tuple(sorted(map(locked_repository, files)))
    used = {pin.repository for pin in chosen.packages}
    times = [each.revision_number or 0 for each in locked if each.id in used]
    lock = Lock(
        subject,
        request,
        locked,
        chosen.packages,
        tuple(sorted(tools)),
        chosen.answers,
        installed.identity,
        chosen.removed,
        max(times, default=0),
    )
    return lock, chosen


def require_listed(
    lock: Lock, repositories: Sequence[DebRepository], access: Access, installed: InstalledDebs
) -> None:
    """Raise DockyardError (`debian.gone`) where the packages that come to a system by a lock cannot
    be had any more, as far as the indexes of archives tell.
    """
    places = [access.blobs, *(Blobs(path) for path in access.offline)]
    unsure = [each for each in lock.packages if not any(one.has(each.digest) for one in places)]
    if not unsure:
        return
    index, _ = open_repositories(repositories, access, installed)
    gone = [
        each.nevra
        for each in unsure
        if not any(found.digest == each.digest for found in index.named(each.name))
    ]
    if gone:
        raise DockyardError(
            Problem(
                "debian.gone",
                f"{len(gone)} packages of the lock are in no archive any more",
                why="what comes to a system with Debian packages is chosen together",
                fix="choose anew with `dockyard lock`, without --refresh-missing",
                excerpt=tuple(gone[:8]),
            )
        )


def open_repositories(
    repositories: Sequence[DebRepository],
    access: Access,
    installed: InstalledDebs | None = None,
) -> tuple[Index, list[PackagesFile]]:
    """The current packages of repositories, fetched, verified and ready to be chosen from, in the
    order of the repositories. installed: what is installed in the system that is to change.
    """
    need_addresses(repositories)
    together: dict[tuple[tuple[str, ...], ...], list[DebRepository]] = {}
    for each in repositories:
        # What one key may sign, another may not, though it is at the same place.
        place = (each.base_urls, each.keys, each.signed_by)
        together.setdefault(place, []).append(each)
    found: dict[str, PackagesFile] = {}
    for those in together.values():
        archive = DebianArchive(
            those[0].base_urls,
            access.blobs,
            certificates=certificates_of(those[0]),
            progress=access.progress,
        )
        opened = archive.packages([suite_of(each) for each in those])
        found |= {each.suite.id: each for each in opened}
    files = [found[each.id] for each in repositories]
    return open_index(files, access.blobs, access.cache / "deb", installed), files


def certificates_of(repository: DebRepository) -> list[pysequoia.Cert]:
    """The certificates that may sign for a repository. Raises DockyardError (`debian.no-such-key`)
    for a fingerprint that no file has, and for files that are none.
    """
    files = [cert for path in repository.keys for cert in _read(Path(path), repository)]
    known = [*archive_certificates(), *files]
    own = {cert.fingerprint.upper(): cert for cert in known}
    lacking = [name for name in repository.signed_by if name not in own]
    if lacking:
        raise DockyardError(
            *(
                Problem(
                    "debian.no-such-key",
                    f"no key with the fingerprint {name} is known",
                    repository.position,
                    why=f"known are {', '.join(sorted(own))}: those of Debian that come with "
                    "Dockyard, and those of the files of `keys`",
                    fix="name the file that has it with `keys`",
                )
                for name in lacking
            )
        )
    return [own[name] for name in repository.signed_by]


def _read(path: Path, repository: DebRepository) -> list[pysequoia.Cert]:
    try:
        return list(pysequoia.Cert.split_bytes(path.read_bytes()))
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        what = f"{path} is no file of OpenPGP keys"
        raise DockyardError(
            Problem("debian.no-such-key", what, repository.position, reason)
        ) from error


def _answers(request: Request, index: Index, pins: Sequence[Pin]) -> tuple[tuple[str, str], ...]:
    """Which packages answer the items that are no package's name."""
    names = {each.name for each in pins}
    found = set()
    for item in request.install:
        if item not in names:
            wanted = index.pool.Dep(Wish(item).relation.name)
            providing = {solvable.name for solvable in index.pool.whatprovides(wanted)}
            found |= {(item, name) for name in providing & names}
    return tuple(sorted(found))
