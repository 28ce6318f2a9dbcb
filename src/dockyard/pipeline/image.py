"""The steps of one image, from its packages to the parts that its format is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockyard.engine.step import Step
from dockyard.formats import Part
from dockyard.formats import by_name as format_by_name
from dockyard.pipeline.arguments.image import ListFiles, NoteExpectations, WriteFilesystem
from dockyard.pipeline.arguments.names import ROOT
from dockyard.pipeline.boot_steps import BootSteps, initrd_step, kernel_step, uki_step
from dockyard.pipeline.filesystem_steps import FileSystemSteps
from dockyard.pipeline.guest_steps import guest_root
from dockyard.pipeline.labels_steps import labels_step
from dockyard.pipeline.layer_steps import Stack, layers_over, merged
from dockyard.pipeline.live import LiveRequest
from dockyard.pipeline.live_steps import LiveSteps, live_steps
from dockyard.pipeline.loaders import booting
from dockyard.pipeline.package_steps import packages_step
from dockyard.pipeline.request import ImageRequest
from dockyard.pipeline.source import PackageSource
from dockyard.pipeline.verity_steps import Sealed, sealed_systems, with_sealed
from dockyard.tools.trees import tools_step

if TYPE_CHECKING:
    from dockyard.pipeline.existing_disk import DiskSource

_STEPS = "dockyard.pipeline.steps"


@dataclass(frozen=True)
class ImageSteps:
    """layers, root: the results that make up the root tree, and their merged archive. filesystems:
    file systems and swap spaces by the key of their partition. Made on request only: expected,
    the step that notes what a check of the running system is to find, and proofs, which read each
    file system back and compare it. boot: None for an image that exists, which
    brings along what it boots. needs, runs_programs: of the format. live: of a live system.
    """

    manifest: Step
    layers: tuple[Step, ...]
    root: Step
    filesystems: Mapping[str, Step]
    proofs: tuple[Step, ...]
    expected: Step
    boot: BootSteps | None
    tools: Step
    needs: frozenset[Part]
    runs_programs: bool
    live: LiveSteps | None = None

    @property
    def parts(self) -> tuple[Step, ...]:
        """The steps whose results the image is written from."""
        steps: dict[Part, tuple[Step, ...]] = {
            Part.ROOT: (self.root, *self.layers),
            Part.DISK: tuple(self.filesystems.values()),
            Part.SYSTEM: (),
            Part.BASE: self.layers[:1],
        }
        if self.live is not None:
            made = (self.live.image, self.live.files)
            steps |= {
                Part.KERNEL: (self.live.kernel,),
                Part.INITRD: (self.live.initrd,),
                Part.LIVE: tuple(step for step in made if step),
            }
        if self.boot is not None:
            steps |= {
                Part.KERNEL: (self.boot.kernel,),
                Part.INITRD: (self.boot.initrd,),
                Part.UKI: (self.boot.uki,),
            }
        return tuple(step for part in Part if part in self.needs for step in steps[part])

    @property
    def goals(self) -> tuple[Step, ...]:
        """The steps whose results are looked at when the image is built. Parts come first, and so
        begin first: those that take long are among them.
        """
        return (*self.parts, self.manifest, *((self.tools,) if self.runs_programs else ()))


def image_steps(request: ImageRequest) -> ImageSteps:
    """All steps of an image."""
    tools = tools_step(request.source.tools, request.origins)
    if isinstance(request.source, PackageSource):
        return _of_packages(request, tools)
    return _of_disk(request, request.source, tools)


def _of_packages(request: ImageRequest, tools: Step) -> ImageSteps:
    format_ = format_by_name(request.output.format)
    layers = layers_over(request, packages_step(request, tools), tools)
    labels = labels_step(request, layers, "labels")
    whole = merged(ROOT, "Merge the root", layers, request.epoch, labels)
    if request.live is not None:
        return _live(request, request.live, whole, tools)
    whole = guest_root(request, whole)
    boot = whole
    if not (request.settings.post_scripts or request.settings.final_scripts):
        shaping = tuple(step for step in layers if step.name in ("packages", "boot-settings"))
        if shaping != layers:
            boot = merged("boot-root", "Merge what shapes the boot", shaping, request.epoch)
    initrd = initrd_step(request, boot)
    # Roots that are checked by their hash come before what boots, which has it.
    sealed = sealed_systems(request, whole, tools) if Part.DISK in format_.needs else Sealed()
    steps = BootSteps(kernel_step(boot), initrd, uki_step(request, boot, initrd, tools, sealed))
    if Part.DISK in format_.needs:
        booted = booting(request, whole, boot, steps, sealed)
        systems = with_sealed(request, sealed, booted.held, tools)
        manifest = _manifest(request, booted.booted, systems.fat, tools, booted.told)
        return _steps(request, booted.booted, systems, steps, manifest, tools)
    told = steps.uki if Part.UKI in format_.needs else None
    manifest = _manifest(request, whole, (), tools, told)
    return _steps(request, whole, FileSystemSteps({}, (), ()), steps, manifest, tools)


def _of_disk(request: ImageRequest, source: DiskSource, tools: Step) -> ImageSteps:
    # A build from packages need not load it.
    from dockyard.pipeline.existing_boot_steps import with_entries
    from dockyard.pipeline.existing_steps import held_by, kept_steps, root_step

    root, convert = root_step(source, tools)
    layers = layers_over(request, root, tools)
    labels = labels_step(request, layers, "labels")
    whole = merged(ROOT, "Merge the root", layers, request.epoch, labels)
    if request.live is not None:
        return _live(request, request.live, whole, tools)
    whole = guest_root(request, whole)
    disk = Part.DISK in format_by_name(request.output.format).needs
    sealed = sealed_systems(request, whole, tools) if disk else Sealed()
    # What names the root by its hash comes over it, and is on other partitions than that.
    booted = with_entries(request, request.boot, whole, sealed, tools) if request.boot else whole
    systems = FileSystemSteps({}, (), ())
    if disk:
        held = held_by(source, convert, booted, request.layout)
        systems = with_sealed(request, sealed, held, tools)
        kept = kept_steps(request, source, convert, booted)
        systems = replace(systems, steps={**systems.steps, **kept})
    manifest = _manifest(request, booted, systems.fat, tools, None)
    return _steps(request, booted, systems, None, manifest, tools)


def _live(request: ImageRequest, live: LiveRequest, whole: Stack, tools: Step) -> ImageSteps:
    made = live_steps(request, live, whole, tools)
    manifest = _manifest(request, made.root, (), tools, None)
    steps = _steps(request, made.root, FileSystemSteps({}, (), ()), None, manifest, tools)
    return replace(steps, live=made, proofs=(made.proof,) if made.proof else ())


def _steps(
    request: ImageRequest,
    whole: Stack,
    systems: FileSystemSteps,
    boot: BootSteps | None,
    manifest: Step,
    tools: Step,
) -> ImageSteps:
    format_ = format_by_name(request.output.format)
    return ImageSteps(
        manifest=manifest,
        layers=whole.layers,
        root=whole.root,
        filesystems=systems.steps,
        proofs=systems.proofs,
        expected=_expected(whole, tools, request),
        boot=boot,
        tools=tools,
        needs=format_.needs,
        runs_programs=format_.runs_programs,
    )


def _manifest(
    request: ImageRequest,
    whole: Stack,
    fat: Sequence[tuple[WriteFilesystem, Stack]],
    tools: Step,
    told: Step | None,
) -> Step:
    """told: the step that found out the command line, where the image boots."""
    systems = tuple(system for system, _ in fat)
    wanted = ListFiles(
        root=whole.root.name,
        told=told.name if told else None,
        packaging=request.family.packaging,
        below=whole.names,
        epoch=request.epoch,
        fat=systems,
    )
    roots = [whole.root, *(stack.root for _, stack in fat)]
    inputs = {step.id: step for step in (tools, *roots, *([told] if told else []))}
    borrowed = {step.id: step for stack in (whole, *(s for _, s in fat)) for step in stack.layers}
    return Step.of(
        "manifest",
        "List every file",
        f"{_STEPS}.manifest:list_files",
        wanted,
        tuple(inputs.values()),
        borrowed=tuple(borrowed.values()),
    )


def _expected(whole: Stack, tools: Step, request: ImageRequest) -> Step:
    return Step.of(
        "expected",
        "Note what checks are to find",
        f"{_STEPS}.manifest:note_expectations",
        NoteExpectations(
            whole.root.name, whole.names, request.family.packaging, request.family.esp
        ),
        (tools, whole.root),
        borrowed=whole.layers,
    )
