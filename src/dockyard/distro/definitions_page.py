"""The page about the distributions that come with Dockyard, as their own files have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dockyard.distro.header import read_header
from dockyard.model.distro import Distro, Repository
from dockyard.model.packages import PackageKind

_HEAD = """\
# The RPM distributions that come with Dockyard

Made from their files, `distros/NAME/distro.yaml`. An image file names one by `distro: NAME`; [how
to make an image of it](../how-to/make-an-almalinux-image.md). `dockyard distro check NAME` tells
the same of a definition of your own.

Addresses are those of each distribution's own `.repo` files. `$mirror` is what `--rpm-mirror`
takes the place of; with it, lists of mirrors are not asked. Fingerprints were taken from the key
files of `distribution-gpg-keys` 1.121, which the distributions' packagers keep, and for Azure
Linux also from the branches of its own source repository, which have the same. Key files do not
come with Dockyard: a file is fetched from its address or given with `--rpm-key`, and counts only
when it has the key of the fingerprint.

None of these repositories could be reached where this was written: what is tried is each
definition over a mirror of the tests', laid out as its addresses say, with packages and a key of
the tests'.

Azure Container Linux has no repositories: its images are taken as they are, and `dockyard inspect`
and `customize` know them by `VARIANT_ID` (family `azure-container-linux-3`).

| Name | Distribution | Family | Repositories | Disabled |
| --- | --- | --- | --- | --- |
"""


def markdown(distros: Mapping[str, Path]) -> str:
    """The page, of directories by name."""
    found = {name: read_header(place).distro for name, place in distros.items()}
    rpm = {
        name: distro
        for name, distro in found.items()
        if distro.kind is PackageKind.RPM and distro.repositories
    }
    rows = [_row(name, distro) for name, distro in rpm.items()]
    sections = [line for name, distro in rpm.items() for line in _section(name, distro)]
    return _HEAD + "\n".join(rows) + "\n" + "\n".join(sections) + "\n"


def _row(name: str, distro: Distro) -> str:
    on = _ids(each for each in distro.repositories if each.enabled)
    off = _ids(each for each in distro.repositories if not each.enabled)
    return f"| `{name}` | {distro.title} | `{distro.of_family.name}` | {on} | {off} |"


def _ids(repositories: Iterable[Repository]) -> str:
    return ", ".join(f"`{each.id}`" for each in repositories)


def _section(name: str, distro: Distro) -> Iterator[str]:
    yield f"\n## `{name}`\n"
    yield f"`$mirror`: `{distro.mirror}`"
    for text, value in distro.variables.items():
        yield f"`${text}`: `{value}`"
    yield "\n| Repository | Below a mirror | Mirrors | Verified |"
    yield "| --- | --- | --- | --- |"
    for each in distro.repositories:
        base = " ".join(f"`{text.removeprefix('$mirror/')}`" for text in each.baseurl)
        listed = each.metalink or each.mirrorlist
        verified = "packages, metadata" if each.repo_gpgcheck else "packages"
        yield f"| `{each.id}` | {base} | {f'`{listed}`' if listed else ''} | {verified} |"
    yield "\n| Key | File |"
    yield "| --- | --- |"
    signed = {
        (key, " ".join(f"`{file}`" for file in each.gpgkey))
        for each in distro.repositories
        for key in each.signed_by
    }
    for key, files in sorted(signed):
        yield f"| `{key}` | {files} |"
