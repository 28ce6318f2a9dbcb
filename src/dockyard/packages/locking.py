"""Makes locks, tells whether a lock still fits what is asked for, and moves only what is gone.

A lock that does not fit stops a build with the difference in words; nothing is ever solved again
behind a user's back. `check` reads no metadata and opens no connection: it is on the path of a
build that has nothing to do. Everything that solves is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dockyard.errors import DockyardError, Problem, Problems
from dockyard.model.packages import (
    Lock,
    LockedRepository,
    Pin,
    Repository,
    Request,
    RpmRepository,
    recorded,
)
from dockyard.packages.lockfile import LOCK_IMAGE, dump, load, loads

if TYPE_CHECKING:
    from dockyard.packages.access import Access
    from dockyard.packages.rpm.repository import Metadata
    from dockyard.packages.solve import Solution

__all__ = [
    "LOCK_IMAGE",
    "check",
    "diff",
    "dump",
    "load",
    "loads",
    "lock_change",
    "make_lock",
    "refresh_missing",
    "require",
]

_SHOWN = 12


def make_lock(
    subject: str,
    request: Request,
    repositories: Sequence[RpmRepository],
    access: Access,
    tools: Iterable[Pin] = (),
) -> Lock:
    """Choose the packages of a request from repositories as they are now, and pin them.

    Raises DockyardError (`repository.…`, `fetch.…`, `solve.…`) with every problem.
    """
    return _chosen(subject, request, repositories, access, tools)[0]


def lock_change(
    subject: str,
    request: Request,
    repositories: Sequence[RpmRepository],
    access: Access,
    tools: Iterable[Pin],
    installed: Metadata,
) -> tuple[Lock, Solution]:
    """The same for what changes in an image that exists, and the choice in a person's terms.

    installed: what the image has. A request that only removes asks no repository.
    """
    return _chosen(subject, request, repositories, access, tools, installed)


def _chosen(
    subject: str,
    request: Request,
    repositories: Sequence[RpmRepository],
    access: Access,
    tools: Iterable[Pin],
    installed: Metadata | None = None,
) -> tuple[Lock, Solution]:
    from dockyard.packages.content_pins import pin_by_content
    from dockyard.packages.rpm.repository import open_all
    from dockyard.packages.solve import solve

    asked = installed is None or request.asks_repositories
    opened = open_all(repositories, access) if asked else []
    chosen = solve(request, opened, access.cache, installed=installed)
    packages = pin_by_content(chosen.packages, opened, access)
    recorded = tuple(sorted(each.locked() for each in opened))
    pinned, used = tuple(sorted(packages)), tuple(sorted(tools))
    digest = installed.identity if installed else ""
    return (
        Lock(
            subject,
            request,
            recorded,
            pinned,
            used,
            chosen.answers,
            digest,
            chosen.removed,
            chosen.newest if installed else 0,
        ),
        chosen,
    )


def check(
    lock: Lock,
    request: Request,
    repositories: Sequence[Repository],
    tools: Iterable[Pin] | None = None,
    installed: str = "",
) -> list[str]:
    """How a lock differs from what is asked for now, in words; empty when it fits.

    tools: the pins of the tools that would be used, compared when they are given. installed: the
    digest of what the image has that is to be changed.
    """
    if lock.request is None:
        return ["the lock has no packages of an image"]
    if bool(lock.installed) != bool(installed):
        made, now = ("to change", "to make") if lock.installed else ("to make", "to change")
        return [f"the lock was made {made} an image, and this is {now} one"]
    words = _requests(lock.request, request)
    if installed != lock.installed:
        words.append("the image has other packages than the one that the lock was made for")
    words += [f"{item} is asked for, but no listed package provides it" for item in unmet(lock)]
    words += _repositories(lock.repositories, [recorded(each) for each in repositories])
    if tools is not None:
        changed = diff_pins(lock.tools, tuple(tools))
        words += [f"tools: {line}" for line in changed]
    return words


def unmet(lock: Lock) -> list[str]:
    """The items of a lock's own request that none of its packages answers: somebody took lines
    out of it.
    """
    if lock.request is None or lock.installed:
        return []  # what is installed may answer as well
    names = {pin.name for pin in lock.packages}
    answers: dict[str, set[str]] = {}
    for item, name in lock.answers:
        answers.setdefault(item, set()).add(name)
    return [
        item
        for item in lock.request.install
        if item not in names and not (item in answers and answers[item] <= names)
    ]


def follow(old: Lock | None, new: Lock, file: str) -> Lock:
    """The lock that is to replace another one.

    Where the packages are the same, the revisions stay too, so that the same choice is the same
    text. Raises DockyardError (`lock.older-metadata`) when a repository's metadata is older than
    that from which the old lock was made: a mirror that is far behind, or one that hides fixes.
    """
    before = {each.id: each for each in old.repositories} if old else {}
    problems = Problems()
    for each in new.repositories:
        was = before[each.id].revision_number if each.id in before else None
        now = each.revision_number
        if was is not None and now is not None and now < was:
            problems.add(
                "lock.older-metadata",
                f"the metadata of repository {each.id} went back",
                file,
                why=f"the lock was made from revision {was}; the repository has {each.revision}",
                fix="name a mirror that is up to date; where the repository was set back on "
                "purpose, delete the lock and make a new one",
            )
    problems.raise_any()
    if old is None or old.packages != new.packages:
        return new
    kept = tuple(
        replace(each, revision=before[each.id].revision or each.revision)
        if each.id in before
        else each
        for each in new.repositories
    )
    return replace(new, repositories=kept)


def require(
    lock: Lock,
    request: Request,
    repositories: Sequence[Repository],
    name: str,
    tools: Iterable[Pin] | None = None,
    image: str = "IMAGE",
    installed: str = "",
) -> None:
    """Raise DockyardError (`lock.stale`) with the differences when a lock does not fit.

    name, image: the files of the lock and of the image, for the message. installed: see `check`.
    """
    if words := check(lock, request, repositories, tools, installed):
        more = [f"and {len(words) - _SHOWN} more"] if len(words) > _SHOWN else []
        fix = f"take the changes in with: dockyard lock {image}"
        before, now = {each.id for each in lock.repositories}, {each.id for each in repositories}
        if before - now:
            gone = ", ".join(sorted(before - now))
            fix = f"give the directory or .repo file of {gone} with --rpm-source as for the lock; "
            fix += f"or do without it, with: dockyard lock {image}"
        elif now - before:
            fix += " (and the same --rpm-source)"
        raise DockyardError(
            Problem(
                "lock.stale",
                "the lock does not fit what is asked for",
                name,
                why="it was made for another request",
                fix=fix,
                excerpt=(*words[:_SHOWN], *more),
            )
        )


def diff(old: Lock, new: Lock) -> list[str]:
    """What changed between two locks, in words, packages first."""
    words = diff_pins(old.packages, new.packages)
    words += _repositories(old.repositories, new.repositories, keys=True)
    if old.request and new.request:
        words += _requests(old.request, new.request)
    return words + [f"tools: {line}" for line in diff_pins(old.tools, new.tools)]


def diff_pins(old: Sequence[Pin], new: Sequence[Pin]) -> list[str]:
    """Added, removed and changed pins, in words, by name."""
    before, after = _by_name(old), _by_name(new)
    words = []
    for key in sorted(before.keys() | after.keys()):
        gone = [pin for pin in before.get(key, ()) if pin not in after.get(key, ())]
        come = [pin for pin in after.get(key, ()) if pin not in before.get(key, ())]
        if len(gone) == len(come) == 1:
            words.append(_change(gone[0], come[0]))
        else:
            words += [f"removed {pin.nevra}" for pin in gone]
            words += [f"added {pin.nevra} from {pin.repository}" for pin in come]
    return words


def refresh_missing(
    lock: Lock,
    repositories: Sequence[RpmRepository],
    access: Access,
    installed: Metadata | None = None,
) -> tuple[Lock, list[str]]:
    """Move the pins whose bytes nobody has any more to the current packages, and nothing else.

    Other pins move only when a new package needs them to. Gives the lock and the moves in words;
    the same lock and no moves when everything is still to be had.
    Raises DockyardError when a repository cannot be asked, or no answer exists.
    """
    from dockyard.packages.content_pins import Availability, pin_by_content
    from dockyard.packages.rpm.repository import open_all
    from dockyard.packages.solve import solve

    if lock.request is None:
        return lock, []
    opened = open_all(repositories, access)
    found = Availability.of(lock.packages, opened, access)
    if not found.gone:
        return lock, []
    chosen = solve(
        lock.request,
        opened,
        access.cache,
        keep=found.listed,
        kept=found.unlisted(),
        installed=installed,
    )
    # A pin that stays is taken over as it is, so that not one byte of its line changes.
    kept = {pin.key: pin for pin in lock.packages if pin not in found.gone}
    stay = [kept.get(pin.key) for pin in chosen.packages]
    fresh = [pin for pin, same in zip(chosen.packages, stay, strict=True) if same is None]
    packages = [pin for pin in stay if pin] + pin_by_content(fresh, opened, access)
    recorded = tuple(sorted(each.locked() for each in opened))
    new = replace(
        lock,
        packages=tuple(sorted(packages)),
        repositories=recorded,
        answers=chosen.answers,
        removed=chosen.removed,
        newest=max(lock.newest, chosen.newest) if installed else 0,
    )
    return new, diff_pins(lock.packages, new.packages)


def _requests(old: Request, new: Request) -> list[str]:
    words = [f"{item} is asked for now" for item in sorted(set(new.install) - set(old.install))]
    words += [
        f"{item} is not asked for any more" for item in sorted(set(old.install) - set(new.install))
    ]
    if set(old.exclude) != set(new.exclude):
        words.append(f"excluded: {_either(old.exclude)} before, {_either(new.exclude)} now")
    if old.architecture != new.architecture:
        words.append(f"architecture: {old.architecture} before, {new.architecture} now")
    for act in ("remove", "update"):
        was, now = set(getattr(old, act)), set(getattr(new, act))
        words += [f"{item} is to be {act}d now" for item in sorted(now - was)]
        words += [f"{item} is not to be {act}d any more" for item in sorted(was - now)]
    if old.update_all != new.update_all:
        words.append(f"all packages are{'' if new.update_all else ' not'} to be updated now")
    if old.base != new.base:
        words.append(f"base packages: {old.base or 'none'} before, {new.base or 'none'} now")
    if old.modules != new.modules:
        words.append(f"module streams: {_either(old.modules)} before, {_either(new.modules)} now")
    if old.before != new.before:
        words.append(
            f"packages as of a time: {_moment(old.before)} before, {_moment(new.before)} now"
        )
    if old.weak != new.weak:
        words.append(f"weak dependencies: {'with' if new.weak else 'without'} them now")
    return words


def _repositories(
    old: Iterable[LockedRepository], new: Iterable[LockedRepository], *, keys: bool = False
) -> list[str]:
    before, after = {each.id: each for each in old}, {each.id: each for each in new}
    words = [f"repository {name} is new" for name in sorted(after.keys() - before.keys())]
    words += [f"repository {name} is gone" for name in sorted(before.keys() - after.keys())]
    fields = ("pin", "check_packages", "check_metadata", "priority", "exclude", "include")
    for name in sorted(before.keys() & after.keys()):
        for field in (*fields, "keys") if keys else fields:
            was, now = getattr(before[name], field), getattr(after[name], field)
            if was != now:
                title = field.replace("_", " ")
                words.append(f"repository {name}: {title} was {_either(was)}, is {_either(now)}")
    return words


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "any"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _either(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(sorted(map(str, value))) or "nothing"
    return {True: "on", False: "off"}.get(value, str(value)) if type(value) is bool else str(value)


def _by_name(pins: Sequence[Pin]) -> dict[tuple[str, str], list[Pin]]:
    found: dict[tuple[str, str], list[Pin]] = {}
    for pin in sorted(pins):
        found.setdefault((pin.name, pin.arch), []).append(pin)
    return found


def _change(old: Pin, new: Pin) -> str:
    if old.evr != new.evr:
        moved = f", from {new.repository}" if old.repository != new.repository else ""
        return f"{old.name} {old.evr} -> {new.evr}{moved}"
    if old.repository != new.repository:
        return f"{old.nevra} comes from {new.repository}, not {old.repository}"
    if (old.digest, old.content) != (new.digest, new.content):
        return f"{old.nevra} has other bytes, though the same version"
    return f"{old.nevra} is at {new.path}"
