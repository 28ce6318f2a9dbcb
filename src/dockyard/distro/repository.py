"""Makes a signed RPM repository of signed packages; a step, whose result is the repository.

    Packages/*.rpm, repodata/ with repomd.xml.asc, RPM-GPG-KEY-<name>

The metadata is made by createrepo_c with the distribution's epoch for every time in it: the same
packages give the same metadata, but signatures differ from signer to signer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.distro.arguments import Repository
from dockyard.distro.keys import key_of
from dockyard.distro.signing import read_signed
from dockyard.packages.published import METADATA, PACKAGES, SIGNATURE, key_name
from dockyard.tools.unpacked import trees_in

if TYPE_CHECKING:
    from dockyard.engine.work import Work


def make_repository(work: Work, wanted: Repository) -> None:
    """The function of the step."""
    key, epoch = key_of(wanted.signer), wanted.epoch
    (work.out / PACKAGES).mkdir()
    digests = {}
    for done, (signed, made) in enumerate(wanted.packages.items()):
        work.progress("writing packages", done, len(wanted.packages), "packages")
        package = read_signed(work.result(signed), work.result(made))
        path = f"{PACKAGES}/{package.file}"
        with (work.out / path).open("wb") as out:
            digests[path] = package.write(out)
    work.digested(digests)
    _settle(work.out, epoch)  # createrepo_c notes the times, and reads as somebody else
    work.progress("making the metadata")
    trees_in(work.result("tools")).main.run(
        [
            "createrepo_c",
            "--quiet",
            f"--revision={epoch}",
            "--set-timestamp-to-revision",
            "--no-database",
            "--general-compress-type=zstd",
            "--workers=2",
            str(work.out),
        ],
        write=[work.out],
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    (work.out / SIGNATURE).write_bytes(key.detached((work.out / METADATA).read_bytes()))
    (work.out / key_name(wanted.name)).write_bytes(key.public)
    _settle(work.out, epoch)


def _settle(root: Path, epoch: int) -> None:
    """Let no time say when the repository was made, and no mode by whom."""
    for directory, names, files in os.walk(root, topdown=False):
        for name in (*names, *files):
            path = Path(directory, name)
            path.chmod(0o755 if name in names else 0o644)
            os.utime(path, (epoch, epoch))
