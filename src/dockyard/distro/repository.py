"""Publishes packages as a signed RPM repository.

    repositories/<name>         a symbolic link to the directory below, changed by one rename
    repositories/.<name>-<id>/  Packages/*.rpm, repodata/ with repomd.xml.asc, RPM-GPG-KEY-<name>

The metadata is made by createrepo_c with the distribution's epoch for every time in it: the same
packages give the same metadata, but signatures differ from signer to signer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dockyard.distro.keys import SigningKey
from dockyard.host.files import part_of
from dockyard.host.removal import remove_tree
from dockyard.host.sandbox import Tools
from dockyard.packages.rpm.reader import content_digest

PACKAGES = "Packages"


def repository_path(store: Path, name: str) -> Path:
    """Where the repository of a distribution is published."""
    return store / "repositories" / name


def published(store: Path, name: str) -> str:
    """The id of what is published; "" for nothing."""
    path = repository_path(store, name)
    if not path.is_symlink() or not (path / "repodata/repomd.xml.asc").is_file():
        return ""
    return path.readlink().name.removeprefix(f".{name}-")


def kept_versions(store: Path, name: str, packages: Sequence[tuple[str, Path]]) -> list[str]:
    """Which packages (file name, signed file) have the version of what is published, and not its
    content, whoever signed it: dnf takes the two for one.
    """
    before = repository_path(store, name) / PACKAGES
    return [
        file_name
        for file_name, source in packages
        if (old := before / file_name).is_file()
        and not old.samefile(source)
        and content_digest(old) != content_digest(source)
    ]


def assemble(
    store: Path,
    name: str,
    packages: Sequence[tuple[str, Path]],
    key: SigningKey,
    epoch: int,
    tools: Tools,
) -> Path:
    """Lay out packages (file name, signed file) and make the signed metadata, unpublished."""
    work = part_of(repository_path(store, name))
    remove_tree(work)
    (work / PACKAGES).mkdir(parents=True)
    for file_name, source in packages:
        target = work / PACKAGES / file_name
        try:
            os.link(source, target)
        except OSError:
            # A store on a file system without hard links.
            shutil.copyfile(source, target)
        os.utime(target, (epoch, epoch))
    tools.run(
        [
            "createrepo_c",
            "--quiet",
            f"--revision={epoch}",
            "--set-timestamp-to-revision",
            "--no-database",
            "--general-compress-type=zstd",
            "--workers=2",
            str(work),
        ],
        write=[work],
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    metadata = (work / "repodata/repomd.xml").read_bytes()
    (work / f"RPM-GPG-KEY-{name}").write_bytes(key.public)
    (work / "repodata/repomd.xml.asc").write_bytes(key.detached(metadata))
    return work


def publish(store: Path, name: str, work: Path, identity: str) -> Path:
    """Make an assembled directory the repository.

    What was published before stays for those who still read it, what was before that is removed.
    """
    place = repository_path(store, name)
    final = place.with_name(f".{name}-{identity}")
    remove_tree(final)
    work.rename(final)
    before = place.readlink().name if place.is_symlink() else ""
    link = place.with_name(f".{name}.{os.getpid()}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(final.name)
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    link.replace(place)
    for old in place.parent.glob(f".{name}-*"):
        if old.name not in (final.name, before):
            remove_tree(old)
    return place
