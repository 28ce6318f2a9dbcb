"""A format names the parts that it is made of: those are planned, no other, and it gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.archive import save, scan
from dockyard.config import load_image
from dockyard.disk.kernel_cmdline import kernel_command_line
from dockyard.disk.layout import lay_out
from dockyard.distro.header import read_header
from dockyard.engine.plan import in_order
from dockyard.engine.step import Step
from dockyard.engine.store import Store
from dockyard.formats import Holds, Part, Parts, holding, registry
from dockyard.formats.parts import AnyFormat
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.model.packages import Lock
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.pipeline.arguments.names import FILESYSTEM, INDEX, INITRD, KERNEL, TREE, UPPER
from dockyard.pipeline.artefact import image_id, needs_namespace, write_image
from dockyard.pipeline.image import ImageSteps, image_steps
from dockyard.pipeline.request import ImageRequest, ImageSettings, Output
from dockyard.pipeline.source import PackageSource

IMAGE = """\
name: web
distro: distro.yaml
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: swap, type: swap, size: 64M}
        - {id: root, type: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
os: {bootloader: {resetType: hard-reset}, packages: {install: [a]}}
"""
DISTRO = """\
name: small
version: "9"
epoch: 1767225600
architecture: aarch64
repositories: [{id: base, baseurl: x, gpgcheck: false}]
"""


class Everything(AnyFormat):
    """A format that needs every part, and is told what it was given."""

    name = "everything"
    extension = ""
    runs_programs = False

    def __init__(self, *needs: Part) -> None:
        self.needs = frozenset(needs)
        self.given: list[Parts] = []

    def write(self, parts: Parts, out: Path, tools: Tools) -> tuple[Path, ...]:
        self.given.append(parts)
        return (out / parts.name,)


def request(folder: Path, format_: str) -> ImageRequest:
    (folder / "image.yaml").write_text(IMAGE)
    (folder / "distro.yaml").write_text(DISTRO)
    loaded = load_image(folder / "image.yaml")
    distro = read_header(folder / "distro.yaml")
    layout = lay_out(loaded.image.storage, b"seed", distro.distro.architecture)
    access = Access.of_store(folder)
    return ImageRequest(
        loaded=loaded,
        source=PackageSource(distro, Lock("web"), folder / "image.lock", (), access, False),
        settings=ImageSettings((), (), ()),
        layout=layout,
        output=Output(format_),
        command_line=tuple(kernel_command_line(layout, ()).split(" ")),
        seed=b"seed",
        origins=Origins(),
    )


def planned(steps: ImageSteps) -> set[str]:
    """The names of the steps that are run from nothing, those that unpack a package aside."""
    return {step.name for step in in_order(steps.goals) if step.kind != "unpack"}


def with_format(monkeypatch: pytest.MonkeyPatch, *needs: Part) -> Everything:
    format_ = Everything(*needs)
    monkeypatch.setitem(registry._loaded, format_.name, format_)
    return format_


INSTALL = {"tools", "fetch", "database", "modules-selection", "modules-index", "packages"}
BASE = INSTALL | {"settings", "root", "manifest"}
BOOT = {"initrd", "uki"}
DISK = {"filesystem-esp", "swap-swap", "filesystem-root", "boot-root"}


@pytest.mark.parametrize("name", ["raw", "qcow2", "vhd-fixed"])
def test_a_disk_is_planned_with_all_that_boots(tmp_path: Path, name: str) -> None:
    assert planned(image_steps(request(tmp_path, name))) == BASE | BOOT | DISK


@pytest.mark.parametrize("name", holding(Holds.ROOT))
def test_a_root_alone_plans_no_disk_and_nothing_that_boots(tmp_path: Path, name: str) -> None:
    steps = image_steps(request(tmp_path, name))
    assert planned(steps) == BASE
    assert steps.proofs == () and needs_namespace(steps)


@pytest.mark.parametrize("name", holding(Holds.GUEST))
def test_a_guest_plans_what_takes_the_disk_out_of_its_root(tmp_path: Path, name: str) -> None:
    steps = image_steps(request(tmp_path, name))
    assert planned(steps) == BASE - {"root"} | {"guest", "guest-root"}
    assert steps.root.name == "guest-root" and needs_namespace(steps)


def test_what_boots_over_the_network_plans_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_format(monkeypatch, Part.KERNEL, Part.INITRD)
    steps = image_steps(request(tmp_path, "everything"))
    assert planned(steps) == BASE | {"kernel", "initrd", "boot-root"}
    assert not needs_namespace(steps)


def result(store: Store, step: Step) -> Path:
    """The empty result of a step, as if it had run."""
    place = store.place(step.id)
    place.mkdir()
    store.note_answer(step, step.id)
    return place


def test_a_format_is_given_the_parts_as_their_steps_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those are of a live image, read from the whole disk, and of an image that exists.
    asked = set(Part) - {Part.LIVE, Part.SYSTEM, Part.BASE}
    format_ = with_format(monkeypatch, *asked)
    wanted = request(tmp_path, "everything")
    steps, store = image_steps(wanted), Store(tmp_path / "store")
    assert image_id(wanted, steps, store) is None
    made = {step.name: result(store, step) for step in in_order(steps.goals)}
    (made["packages"] / TREE).mkdir()
    (made["packages"] / TREE / "motd").write_text("hello")
    (made["settings"] / UPPER).mkdir()
    for step in steps.filesystems.values():
        (made[step.name] / FILESYSTEM).write_text(step.name)
    for name, file in (("kernel", KERNEL), ("initrd", INITRD), ("uki", "web-1.efi")):
        (made[name] / file).write_text(name)
    found = scan(made["packages"] / TREE)
    merged = type(found)(found.entries, [*found.sources, *found.sources], found.source_of)
    save(merged, made["root"] / INDEX)

    files = write_image(wanted, steps, store, tmp_path)
    assert files == (tmp_path / "web",)
    (parts,) = format_.given
    assert parts.present == asked
    assert (parts.name, parts.architecture) == ("web", Architecture.AARCH64)
    assert (parts.seed, parts.epoch, parts.layout) == (b"seed", 1767225600, wanted.layout)
    assert parts.root is not None and parts.root.read(b"motd") == b"hello"
    texts = {key: path.read_text() for key, path in parts.partitions.items()}
    assert texts == {"esp": "filesystem-esp", "root": "filesystem-root", "swap": "swap-swap"}
    for part, path in (("kernel", parts.kernel), ("initrd", parts.initrd), ("uki", parts.uki)):
        assert path is not None and path.read_text() == part
    assert "root=PARTUUID=" in parts.command_line


def test_an_image_is_another_when_a_part_or_its_table_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")

    def named(wanted: ImageRequest) -> str | None:
        return image_id(wanted, image_steps(wanted), store)

    raw = request(tmp_path, "raw")
    for step in image_steps(raw).parts:
        result(store, step)
    first = named(raw)
    assert first is not None and named(request(tmp_path, "raw")) == first
    assert named(request(tmp_path, "qcow2")) not in (None, first)
    steps = image_steps(raw)
    store.place("other").mkdir()
    store.note_answer(steps.filesystems["root"], "other")
    assert named(raw) not in (None, first)
