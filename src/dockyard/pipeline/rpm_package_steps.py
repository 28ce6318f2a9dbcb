"""The steps that make the tree of all RPM packages of an image."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.engine.step import Step, names_of
from dockyard.model.packages import LockedRepository, RpmRepository
from dockyard.packages.rpm.pinned import rpm_repositories
from dockyard.pipeline.arguments.packages import (
    MakeDatabase,
    MakeIndex,
    SelectIndex,
    Unpack,
)
from dockyard.pipeline.arguments.settings import InstallPackages
from dockyard.pipeline.foreign import emulator
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.required_names import required_names

_STEPS = "dockyard.pipeline.steps"


def rpm_packages_step(request: ImageRequest, tools: Step, fetch: Step) -> Step:
    """The step that has the tree of all packages, over those that unpack each of them."""
    source, epoch = request.packages, request.epoch
    lock, documents = source.lock, source.documents
    unpacked = dict(_unpacked(request, fetch))
    steps = tuple(unpacked.values())
    names = names_of(steps)
    database = Step.of(
        "database",
        "Write the database of packages",
        f"{_STEPS}.packages:make_database",
        MakeDatabase(names, documents, epoch),
        (tools, *steps),
    )
    found = Step.of(
        "selection",
        "Choose what the index of kernel modules is made of",
        f"{_STEPS}.packages:select_index",
        SelectIndex("modules", names),
        steps,
        name="modules-selection",
    )
    index = Step.of(
        "index",
        "Make the index of kernel modules",
        f"{_STEPS}.packages:make_index",
        MakeIndex(found.name, names, epoch),
        (found, *emulator(request, tools)),
        borrowed=steps,
        name="modules-index",
    )
    wanted = InstallPackages(
        packages={nevra: step.name for nevra, step in unpacked.items()},
        database=database.name,
        indices=(index.name,),
        signed=tuple(sorted(pin.nevra for pin in lock.packages if pin.content is None)),
        documents=documents,
        epoch=epoch,
        packaging=request.family.packaging,
        expected=required_names(request),
    )
    title = f"Install {len(lock.packages)} packages"
    function = f"{_STEPS}.install:install_packages"
    inputs = (tools, database, index, *steps)
    return Step.of("packages", title, function, wanted, inputs, borrowed=(fetch,))


def _unpacked(request: ImageRequest, fetch: Step) -> Iterator[tuple[str, Step]]:
    """The steps that unpack each package, by its name, version and architecture, in order."""
    source = request.packages
    rules = {each.id: each for each in source.lock.repositories}
    known = {each.id: each for each in rpm_repositories(source.repositories)}
    for pin in sorted(source.lock.packages):
        rule = rules.get(pin.repository) or LockedRepository(pin.repository)
        repository = known.get(pin.repository) or RpmRepository(pin.repository)
        nevra = pin.nevra
        wanted = Unpack(
            digest=pin.content or pin.digest,
            checked=rule.check_packages or repository.check_packages,
            keys=rule.keys,
            pin=pin,
            rule=rule,
            repository=repository,
            lock_file=str(source.lock_file),
            offline=request.origins.offline,
        )
        yield (
            nevra,
            Step.of(
                "unpack",
                f"Unpack {nevra}",
                f"{_STEPS}.unpack:unpack",
                wanted,
                borrowed=(fetch,),
                name=f"unpack-{nevra}",
                group="Unpack packages",
            ),
        )
