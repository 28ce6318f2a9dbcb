"""What a booted image is asked about its files: kind, mode, owner and size of every one, by the
manifest, and the bytes of a sample or of all; and whether there is anything more where programs
are, and what starts them or gives rights.

Left out is what a system rightly writes while it starts. The sample is drawn again for each
build: whatever can give rights (set-id programs, /etc), small programs, and a share of the rest.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dockyard.model.family import Packaging
from dockyard.pipeline.looked_into import looked_into
from dockyard.tree.check import Check, Unasked
from dockyard.tree.file_facts import FileFact, file_checks, name_checks

# Written by a system while it runs, beside what manages its packages: a path, and all below it.
_LIVING = (
    *("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/spool"),
    *("/var/lib/systemd", "/var/lib/chrony", "/var/lib/dockyard"),
    "/var/lib/containerd",  # made 0700 by its daemon, when that is a file system of its own, too
    *("/etc/machine-id", "/etc/resolv.conf", "/etc/adjtime", "/etc/.updated", "/var/.updated"),
)
# Services make their state's directories their own as they start.
_STATE = "/var/lib/"
# Asked line by line elsewhere, or changed by the first boot.
_NOT_BY_CONTENT = ("/etc/passwd", "/etc/group", "/etc/shadow")
_PROGRAMS = ("/usr/bin/", "/usr/sbin/", "/usr/libexec/")
# What is here starts, is loaded, or gives rights: nothing may be there that the build did not
# put there. All directories of SSH keys count among it.
_KEPT = (
    *("/usr", "/boot", "/etc/systemd", "/etc/sudoers.d", "/etc/pam.d", "/etc/security"),
    *("/etc/profile.d", "/etc/modprobe.d", "/etc/modules-load.d", "/etc/udev", "/etc/init.d"),
    *("/etc/ld.so.conf.d", "/etc/tmpfiles.d", "/etc/sysctl.d"),
)
# ld.so(8) loads what this names into every program.
_PRELOADED = "/etc/ld.so.preload"
# Made by the file system, Python, systemd-boot, the firmware, and services that tell GRUB of a boot
# that succeeded (Debian's grub-common), wherever they like.
_ANYWHERE = ("lost+found", "__pycache__", "random-seed", "NvVars", "grubenv")
_SMALL = 256 << 10
_NOTHING = (None, None)  # a directory on a file system without modes
_SAMPLE = 48 << 20
_KINDS = {
    "directory": stat.S_IFDIR,
    "file": stat.S_IFREG,
    "hardlink": stat.S_IFREG,
    "symlink": stat.S_IFLNK,
    "character-device": stat.S_IFCHR,
    "block-device": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}


def file_questions(
    manifest: Path,
    asked_elsewhere: Collection[str],
    mounted: Collection[str],
    packaging: Packaging,
    every: bool,
    unmounted: Mapping[str, str] | None = None,
) -> list[Check | Unasked]:
    """The questions about the files of a manifest.

    asked_elsewhere: paths that have checks of their own. mounted: directories in which a file
    system without modes is mounted. packaging: of the distribution. every: ask for the bytes of all
    files, not of a sample. unmounted: where file systems belong that the system may well leave
    unmounted, each with its device (see `looked_into`).
    """
    places = unmounted or {}
    seed = hashlib.sha256()
    facts, living = [], Counter[str]()
    kept: dict[str, list[str]] = {}
    preloads = False
    written = (*_LIVING, *packaging.written)
    guarded = (*_KEPT, *packaging.settings)
    with manifest.open("rb") as lines:
        for line in lines:
            seed.update(line)
            fact = _fact(json.loads(line))
            _keep(fact, kept, guarded if not _place_of(fact.path, written) else ())
            preloads = preloads or fact.path == _PRELOADED
            if fact.path in asked_elsewhere or fact.path in mounted or _is_state(fact):
                continue
            if place := _place_of(fact.path, written):
                living[place] += fact.path != place or not _is_directory(fact)
            elif (fact.size, fact.mode) != _NOTHING:
                facts.append(fact)
    chosen = facts if every else _sampled(facts, seed.digest())
    found: list[Check | Unasked] = []
    for at in ("", *places):
        some = [fact for fact in chosen if _place_of(fact.path, places) == at]
        names = {path: kept[path] for path in kept if _place_of(path, places) == at}
        checks = [*_file_checks(some, at), *_name_checks(names, at)]
        found += [looked_into(each, at, places[at]) for each in checks] if at else checks
    if not preloads:
        title = "no library is loaded before all others"
        found.append(Check("names.preload", title, f"ls {_PRELOADED} 2>&- || :", ""))
    why = "services change them as they start"
    found.append(Unasked(f"owners and modes of the directories below {_STATE}", why))
    if held := sorted(place for place, count in living.items() if count):
        what = f"{living.total()} names of the build at {', '.join(held)}"
        found.append(Unasked(what, "the system writes there as it starts"))
    left = sum(fact.digest is not None for fact in facts) - sum(
        fact.digest is not None for fact in chosen
    )
    if left:
        why = "a sample is read each time; --all reads every file"
        found.append(Unasked(f"the content of {left} files", why))
    return found


def _file_checks(facts: Sequence[FileFact], at: str) -> list[Check]:
    """The checks of files at a place, or where no place is."""
    title = (
        f"the files at {at} are those of the build" if at else "the files are those of the build"
    )
    return file_checks(_id("files", at), title, facts)


def _name_checks(names: Mapping[str, Sequence[str]], at: str) -> list[Check]:
    """The checks that nothing was added at a place, or where no place is."""
    what = f"files at {at}" if at else "programs, units and whatever gives rights"
    title = f"{what} are those of the build, and no others"
    return name_checks(_id("names", at), title, names, _ANYWHERE) if names else []


def _id(what: str, at: str) -> str:
    return what + at.replace("/", ".")


def _keep(fact: FileFact, kept: dict[str, list[str]], guarded: Sequence[str]) -> None:
    """Note a path of the manifest in the directory that is to have no others. guarded: where there
    are such.
    """
    parent, _, name = fact.path.rpartition("/")
    if parent in kept:
        kept[parent].append(name)
    directory = fact.mode is None or stat.S_ISDIR(fact.mode)
    if directory and fact.size is None and (_place_of(fact.path, guarded) or name == ".ssh"):
        kept[fact.path] = []


def _fact(line: dict[str, str | int]) -> FileFact:
    path, kind = str(line["path"]), str(line["type"])
    regular = kind in ("file", "hardlink")
    by_content = regular and path not in _NOT_BY_CONTENT
    return FileFact(
        path=path,
        mode=_KINDS[kind] | int(str(line["mode"]), 8) if "mode" in line else None,
        uid=int(line.get("uid", 0)),
        gid=int(line.get("gid", 0)),
        size=int(line["size"]) if by_content and "size" in line else None,
        digest=str(line["sha256"]) if by_content and "sha256" in line else None,
        target=str(line["target"]) if kind == "symlink" else None,
    )


def _is_state(fact: FileFact) -> bool:
    return _is_directory(fact) and fact.path.startswith(_STATE)


def _is_directory(fact: FileFact) -> bool:
    return fact.mode is not None and stat.S_ISDIR(fact.mode)


def _place_of(path: str, places: Iterable[str]) -> str:
    """Which of some places a path is, or is below; "" for none."""
    return next((at for at in places if path == at or path.startswith(f"{at}/")), "")


def _sampled(facts: Sequence[FileFact], seed: bytes) -> list[FileFact]:
    """The facts, with digests only of those that are to be read."""

    def rank(fact: FileFact) -> tuple[bool, bytes]:
        size = fact.size or 0
        first = (
            fact.mode is None  # what the firmware starts
            or bool(fact.mode & (stat.S_ISUID | stat.S_ISGID))
            or fact.path.startswith("/etc/")
            or (fact.path.startswith(_PROGRAMS) and size <= _SMALL)
        )
        name = fact.path.encode(errors="surrogateescape")
        return not first, hashlib.sha256(seed + name).digest()

    room = _SAMPLE
    read = set()
    for fact in sorted((fact for fact in facts if fact.digest is not None), key=rank):
        if (fact.size or 0) <= room:
            room -= fact.size or 0
            read.add(fact.path)
    return [fact if fact.path in read else replace(fact, digest=None) for fact in facts]
