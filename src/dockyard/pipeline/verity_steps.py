"""The steps of dm-verity: a hash tree over each file system that is checked as it is read.

They come between that file system and what boots: the root hash is on the kernel command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dockyard.disk.kernel_cmdline import root_hash_name
from dockyard.disk.partitions import PartitionLayout, VerityLayout
from dockyard.engine.step import Step
from dockyard.pipeline.arguments.image import Found
from dockyard.pipeline.arguments.names import ROOT_HASH
from dockyard.pipeline.arguments.verity import MakeVerity, ProveVerity
from dockyard.pipeline.bios_steps import bios_partition, bios_step
from dockyard.pipeline.filesystem_steps import FileSystemSteps, Held, filesystem_steps
from dockyard.pipeline.layer_steps import Stack
from dockyard.pipeline.request import ImageRequest

_VERITY = "dockyard.pipeline.steps.verity"


@dataclass(frozen=True)
class Sealed:
    """File systems with hash trees. systems: their steps, by the key of the partition. hashes: the
    steps that find root hashes, by the names that words of the kernel command line have for them.
    """

    systems: FileSystemSteps = field(default_factory=lambda: FileSystemSteps({}, (), ()))
    hashes: Mapping[str, Step] = field(default_factory=dict)

    @property
    def found(self) -> Mapping[str, Found]:
        """What stands for each name on the kernel command line."""
        return {name: Found(step.name, ROOT_HASH) for name, step in self.hashes.items()}


def sealed_systems(request: ImageRequest, whole: Stack, tools: Step) -> Sealed:
    """The steps of all file systems that are verity data: nothing over the merged root is there."""
    devices = [each for each in request.layout.verity if not each[0].kept]
    if not devices:
        return Sealed()
    data = [partition for partition, _ in devices]
    systems = filesystem_steps(request, lambda _: Held(whole), tools, data)
    steps, proofs, hashes = dict(systems.steps), list(systems.proofs), {}
    for partition, device in devices:
        written = systems.steps[partition.key]
        step, proof = _steps(partition, device, written, tools)
        steps[partition.key if device.inline else device.hashes] = step
        hashes[root_hash_name(device)] = step
        proofs.append(proof)
    return Sealed(FileSystemSteps(steps, tuple(proofs), systems.fat), hashes)


def with_sealed(
    request: ImageRequest,
    sealed: Sealed,
    held: Callable[[PartitionLayout], Held],
    tools: Step,
) -> FileSystemSteps:
    """The steps of all partitions. held: what goes into the file systems that are not sealed."""
    others = [each for each in request.layout.partitions if each.key not in sealed.systems.steps]
    rest = filesystem_steps(request, held, tools, others)
    made = {**rest.steps, **sealed.systems.steps}
    if (partition := bios_partition(request)) is not None:
        made[partition.key] = bios_step(request, partition, tools)
    order = [each.key for each in request.layout.partitions if each.key in made]
    proofs = (*sealed.systems.proofs, *rest.proofs)
    return FileSystemSteps({key: made[key] for key in order}, proofs, rest.fat)


def _steps(
    partition: PartitionLayout, device: VerityLayout, written: Step, tools: Step
) -> tuple[Step, Step]:
    size = partition.content_size
    salt = device.salt.hex()
    wanted = MakeVerity(written.name, size, device.inline, device.uuid, salt)
    title = f"Make the hash tree of {partition.key}, {size >> 20} MiB"
    name = f"verity-{partition.key}"
    made = Step.of("verity", title, f"{_VERITY}:make_verity", wanted, (written,), name=name)
    proof = Step.of(
        "proof",
        f"Hold {partition.key} against its hash tree",
        f"{_VERITY}:prove_verity",
        ProveVerity(wanted, made.name),
        (tools, written, made),
        name=f"proof-{name}",
    )
    return made, proof
