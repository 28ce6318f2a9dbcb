"""Where the RPM packages of an image come from.

A distribution names repositories, or is built from components: then its repository is the one
that `dockyard distro build` published in the store. Directories of RPMs and .repo files that the
command line names come beside them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.config.bundled import distro_word
from dockyard.errors import DockyardError, Position, Problem, Problems
from dockyard.model.distro import Distro
from dockyard.model.distro import Repository as Declared
from dockyard.model.family import ARCHITECTURES
from dockyard.model.packages import PackageKind, PinBy, RpmRepository
from dockyard.packages.origins import Origins
from dockyard.packages.published import key_name, published, repository_path
from dockyard.packages.rpm import repofile

_MIRROR = re.compile(r"\$(mirror\b|\{mirror\})")


def image_repositories(
    distro: Distro,
    directory: Path,
    store: Path,
    origins: Origins,
    *,
    extra: Sequence[Path] = (),
    without_distro: bool = False,
) -> tuple[RpmRepository, ...]:
    """The repositories of an image, the distribution's first.

    directory: of distro.yaml. origins: has the addresses that take the place of the distribution's
    `mirror`, and files with keys of its repositories. extra: directories of RPMs and .repo files.
    without_distro: leave the distribution's own repositories out.
    Raises DockyardError: `distro.not-published`, `repofile.…`, `repository.id-twice`, ….
    """
    problems = Problems()
    found: list[RpmRepository] = []
    architecture = ARCHITECTURES[PackageKind.RPM][distro.architecture]
    variables = {"releasever": distro.version, "basearch": architecture, "arch": architecture}
    if not without_distro:
        try:
            found += _of_distro(distro, directory, store, variables, origins)
        except DockyardError as error:
            problems.extend(error.problems)
    found += named_sources(extra, variables, problems)
    refuse_twice(found, problems)
    problems.raise_any()
    return tuple(found)


def named_sources(
    paths: Sequence[Path], variables: Mapping[str, str], problems: Problems
) -> list[RpmRepository]:
    """The repositories that `--rpm-source` names, and what is wrong with any. variables: see
    `repofile.load`.
    """
    found: list[RpmRepository] = []
    for path in paths:
        try:
            found += _extra(path, variables)
        except DockyardError as error:
            problems.extend(error.problems)
    return found


def refuse_twice(found: Sequence[RpmRepository], problems: Problems) -> None:
    """Note repositories with the id of another."""
    for name, uses in sorted(Counter(each.id for each in found).items()):
        if uses > 1:
            what = f"two repositories have the id {name}"
            fix = "rename one: a section of a .repo file, or the directory of packages"
            problems.add("repository.id-twice", what, fix=fix)


def _of_distro(
    distro: Distro,
    directory: Path,
    store: Path,
    variables: Mapping[str, str],
    origins: Origins,
) -> list[RpmRepository]:
    mirrors, keys = origins.rpm_mirrors, origins.rpm_keys
    if not distro.repositories:
        return [_built(distro, directory, store)]
    places = _Places(directory / "distro.yaml", {**distro.variables, **variables}, distro, mirrors)
    enabled = [each for each in distro.repositories if each.enabled]
    problems = Problems()
    if mirrors and not any(_MIRROR.search(text) for each in enabled for text in each.baseurl):
        problems.add(
            "distro.no-mirror",
            f"--rpm-mirror says nothing about {distro.name}",
            str(places.file),
            why="no `baseurl` of its repositories is below $mirror",
            fix="add `mirror`, and `$mirror` where repositories are below it; or leave it out",
        )
    if keys and not any(each.signed_by for each in enabled):
        problems.add(
            "distro.no-signed-by",
            f"--rpm-key says nothing about {distro.name}",
            str(places.file),
            why="none of its repositories says by its fingerprint which key may sign it",
            fix="add `signedBy` to repositories that the key is for; or leave it out",
        )
    problems.raise_any()
    files = tuple(str(each) for each in keys)
    return [_declared(each, places, files) for each in enabled]


def _built(distro: Distro, directory: Path, store: Path) -> RpmRepository:
    """The published repository of a distribution that is built from components.

    Whoever builds it signs it with a key of their own, so pins are by content.
    """
    name, words = distro.published_name, str(distro_word(directory))
    place = repository_path(store.absolute(), name)
    if published(store.absolute(), name) is None:
        chosen = distro.of_architecture(" --architecture ")
        raise DockyardError(
            Problem(
                "distro.not-published",
                f"the store has no repository of {name}",
                str(place),
                fix=f"run: dockyard distro build {words}{chosen}",
            )
        )
    return RpmRepository(
        id=distro.name,
        base_urls=(place.as_uri(),),
        keys=(str(place / key_name(name)),),
        check_packages=True,
        check_metadata=True,
        pin=PinBy.CONTENT,
        title=distro.title,
        position=Position(str(directory / "distro.yaml")),
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the repositories of a distribution are. file: its distro.yaml. mirrors: what the user
    names in place of its own.
    """

    file: Path
    variables: Mapping[str, str]
    distro: Distro
    mirrors: Sequence[str]

    def addresses(self, id: str, text: str) -> list[str]:
        """The addresses that a text of a repository means, one for each mirror where it has
        `$mirror`; relative paths are below the file's directory.
        """
        own = [self.distro.mirror] if self.distro.mirror else []
        found = []
        for mirror in self.mirrors or own if _MIRROR.search(text) else [""]:
            more = {"mirror": mirror.rstrip("/")} if mirror else {}
            plain, unknown = repofile.expanded(text, {**self.variables, **more})
            if unknown:
                names = sorted({*self.variables, *(["mirror"] if own else [])})
                what = f"repository {id!r} uses ${unknown[0]}, which has no value"
                why = f"known: {', '.join(f'${name}' for name in names)}"
                where = Position(str(self.file))
                raise DockyardError(Problem("repofile.unknown-variable", what, where, why))
            found.append(repofile.address(plain, self.file.parent))
        return found

    def sources(self, declared: Declared) -> tuple[list[str], str | None, str | None]:
        """The bases, the mirror list and the metalink of a repository that count."""
        listed = declared.metalink or declared.mirrorlist
        below = [text for text in declared.baseurl if _MIRROR.search(text)]
        others = [text for text in declared.baseurl if text not in below]
        if below and self.mirrors:
            return (
                [each for text in below for each in self.addresses(declared.id, text)],
                None,
                None,
            )
        texts = others if listed else declared.baseurl
        bases = [each for text in texts for each in self.addresses(declared.id, text)]
        lists = (declared.mirrorlist, declared.metalink)
        one, other = (self.addresses(declared.id, each)[0] if each else None for each in lists)
        return bases, one, other


def _declared(declared: Declared, places: _Places, files: tuple[str, ...]) -> RpmRepository:
    """A repository of distro.yaml. files: with its keys, beside those that it names itself."""
    bases, mirror_list, metalink = places.sources(declared)
    keys = [each for text in declared.gpgkey for each in places.addresses(declared.id, text)]
    return RpmRepository(
        id=declared.id,
        base_urls=tuple(bases),
        mirror_list=mirror_list,
        metalink=metalink,
        keys=(*(files if declared.signed_by else ()), *keys),
        signed_by=tuple(sorted(declared.signed_by)),
        check_packages=declared.gpgcheck,
        check_metadata=declared.repo_gpgcheck,
        priority=declared.priority,
        cost=declared.cost,
        exclude=declared.excludes,
        include=declared.includes,
        pin=PinBy(declared.pin),
        module_hotfixes=declared.module_hotfixes,
        title=declared.name,
        position=Position(str(places.file)),
    )


def _extra(path: Path, variables: Mapping[str, str]) -> tuple[RpmRepository, ...]:
    """What `--rpm-source` names.

    A directory of the user's own is trusted as it is; its packages may be built again and signed
    differently anywhere, so pins are by content.
    """
    if path.is_dir():
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.absolute().name).strip("-.") or "rpms"
        address = path.absolute().as_uri()
        return (
            RpmRepository(
                name, (address,), check_packages=False, pin=PinBy.CONTENT, module_hotfixes=True
            ),
        )
    if path.suffix == ".repo":
        return repofile.load(path, variables)
    what = f"{path} is neither a directory of RPMs nor a .repo file"
    raise DockyardError(Problem("repository.no-source", what, fix="name one of the two"))
