"""Where the packages come from that are to change in an image that exists.

Its own repositories, as its package manager would find them; those of a distribution, where the
image file names one; and those of the command line. One that is named later takes the place of one
with the same id. What the image says is somebody else's word: an address on this machine means a
place in the image there, and is refused; keys are those that the image has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dockyard.config import LoadedImage
from dockyard.distro.header import read_header
from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.host.network import file_path
from dockyard.model.architecture import Architecture
from dockyard.model.family import ARCHITECTURES
from dockyard.model.packages import PackageKind, RpmRepository
from dockyard.packages.origins import Origins
from dockyard.packages.rpm import repofile
from dockyard.packages.rpm.sources import image_repositories, named_sources, refuse_twice
from dockyard.pipeline.package_facts import InstalledFacts

LEAVE_OUT = "--disable-base-image-rpm-repos leaves the image's repositories out"


def change_repositories(
    loaded: LoadedImage,
    image: Path,
    installed: InstalledFacts,
    architecture: Architecture,
    store: Path,
    origins: Origins,
    *,
    extra: Sequence[Path] = (),
    without_image: bool = False,
) -> tuple[RpmRepository, ...]:
    """All repositories, those of the image first. Raises DockyardError with what is wrong with any.

    origins: where mirrors and keys of the distribution are on this host. extra: directories of RPMs
    and .repo files. without_image: leave those of the image out.
    """
    variables = variables_of(installed, architecture)
    problems = Problems()
    found: dict[str, RpmRepository] = {}
    given: dict[str, RpmRepository] = {}
    if loaded.distro_path is not None:
        try:
            distro = read_header(loaded.distro_path.resolve(), architecture)
            own = image_repositories(distro.distro, distro.directory, store, origins)
            given |= {each.id: each for each in own}
        except DockyardError as error:
            problems.extend(error.problems)
    named = named_sources(extra, variables, problems)
    refuse_twice(named, problems)
    given |= {each.id: each for each in named}
    if not without_image:
        for each in _of_image(image, installed, variables, given, problems):
            found[each.id] = each
    problems.raise_any()
    return tuple({**found, **given}.values())


def variables_of(installed: InstalledFacts, architecture: Architecture) -> dict[str, str]:
    """What `$releasever` and the like stand for in the image."""
    arch = ARCHITECTURES[PackageKind.RPM][architecture]
    plain = {"basearch": arch, "arch": arch}
    if release := installed.release:
        major, _, minor = release.partition(".")
        plain |= {"releasever": release, "releasever_major": major, "releasever_minor": minor}
    return {**plain, **installed.variables}


def _of_image(
    image: Path,
    installed: InstalledFacts,
    variables: dict[str, str],
    replaced: dict[str, RpmRepository],
    problems: Problems,
) -> Iterator[RpmRepository]:
    for path, data in sorted(installed.settings["repositories"].items()):
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            where = f"{image}:{path}"
            what = "the image has a repository file that is no text"
            problems.add("repofile.unreadable", what, where, why=str(error), fix=LEAVE_OUT)
            continue
        try:
            for each in repofile.parse(text, Path(f"{image}:{path}"), variables, skip=replaced):
                yield _inside(each, installed, problems)
        except DockyardError as error:
            problems.extend(replace(one, fix=LEAVE_OUT) for one in error.problems)


def _inside(
    repository: RpmRepository, installed: InstalledFacts, problems: Problems
) -> RpmRepository:
    """A repository of the image with the keys that the image has."""
    addresses = (*repository.base_urls, repository.mirror_list, repository.metalink)
    for address in filter(None, addresses):
        if not address.startswith(("http://", "https://")):
            problems.add(
                "repository.inside-image",
                f"repository {repository.id} of the image is at {address}",
                repository.position,
                why="that is a place on the machine that the image runs on, or a protocol that is "
                "not spoken here",
                fix=f"give it with --rpm-source under the same id; or {LEAVE_OUT}",
            )
            break
    keys = []
    for key in repository.keys:
        if key.startswith(("http://", "https://")):
            keys.append(key)
            continue
        here = installed.key(str(file_path(key))) if key.startswith("file://") else None
        if here is None:
            _no_key(repository.id, key, repository.position, problems)
            continue
        keys.append(str(here))
    return replace(repository, keys=tuple(keys))


def _no_key(name: str, key: str, where: Position | None, problems: Problems) -> None:
    problems.extend(
        [
            Problem(
                "repository.no-key",
                f"the image does not have the key of its repository {name}: {key}",
                where,
                why="packages are to be verified with it",
                fix=f"give the repository with --rpm-source and a gpgkey; or {LEAVE_OUT}",
            )
        ]
    )
