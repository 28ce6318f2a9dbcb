"""What stops a build before it starts, and what changes which step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.config import load_image, parse_image
from dockyard.engine.store import Store
from dockyard.errors import DockyardError, Severity
from dockyard.packages.origins import Origins
from dockyard.pipeline.acted_on import ABOUT_EXISTING, needs_disk, not_acted_on, not_buildable
from dockyard.pipeline.from_packages import read_request
from dockyard.pipeline.layer_steps import shapes_boot
from dockyard.pipeline.output import require_placeable
from dockyard.pipeline.request import Output, level_remarks, output_of, unpackaged_problems
from dockyard.pipeline.verify import first_difference
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting
from dockyard.tree.hostname import HostnameSetting
from dockyard.tree.modules import ModuleSetting
from dockyard.tree.services import ServiceSetting
from dockyard.tree.users import UserSetting

DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
"""
RESET = "os:\n  bootloader: {resetType: hard-reset}\n"

NOT_ACTED_ON = {
    "input": "input: {image: {path: base.raw}}\n",
    "os.uki.mode": "os: {uki: {mode: passthrough}}\n",
    "storage.verity": (
        "storage:\n  verity:\n    - id: v\n      name: usr\n"
        "      dataDevice: {idType: part-label, id: d}\n"
        "      hashDevice: {idType: part-label, id: h}\n" + RESET
    ),
    "storage.resetPartitionsUuidsType": (
        "storage: {resetPartitionsUuidsType: reset-all}\n" + RESET
    ),
    "storage.reinitializeVerity": "storage: {reinitializeVerity: all}\n",
}


def test_every_key_that_is_not_acted_on_is_tried() -> None:
    assert NOT_ACTED_ON.keys() == ABOUT_EXISTING.keys()


@pytest.mark.parametrize("key", sorted(NOT_ACTED_ON))
def test_a_key_that_is_not_acted_on_stops_by_name_and_place(key: str) -> None:
    (problem,) = not_acted_on(parse_image(NOT_ACTED_ON[key]))
    assert key in problem.what and "an image that exists" in problem.what
    assert "`dockyard customize`" in problem.fix
    assert str(problem.where).startswith("image.yaml:")


def test_what_is_acted_on_passes() -> None:
    image = parse_image(DISK + RESET + "output: {image: {format: qcow2}}\n")
    assert [*not_acted_on(image)] == []


def test_all_that_an_image_lacks_is_told_together() -> None:
    found = not_buildable(parse_image("os: {hostname: a}\n"))
    assert [problem.code for problem in found] == [
        "build.no-distro",
        "build.no-disk",
        "build.no-packages",
    ]


def test_an_image_without_a_disk_needs_none() -> None:
    tar = parse_image("output: {image: {format: tar}}\n")
    assert not needs_disk(tar) and needs_disk(tar, "raw")
    codes = [problem.code for problem in not_buildable(tar, needs_disk=False)]
    assert codes == ["build.no-distro", "build.no-packages"]
    assert needs_disk(parse_image("os: {hostname: a}\n"))
    assert needs_disk(parse_image(DISK + RESET + "output: {image: {format: tar}}\n"))


def test_a_number_that_two_accounts_have_is_told() -> None:
    users = "[{name: anna, uid: 1000}, {name: ben, uid: 1001}, {name: carl, uid: 1000}]"
    found = not_buildable(
        parse_image(f"os: {{users: {users}, groups: [{{name: x, gid: 1000}}]}}\n")
    )
    [problem] = [problem for problem in found if problem.code == "build.same-id"]
    assert problem.what == "carl has the uid of anna"


def test_which_settings_shape_the_boot(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit/x.service").write_text("")
    assert not shapes_boot(HostnameSetting("a"))
    assert not shapes_boot(UserSetting("a"))
    assert not shapes_boot(AdditionalFileSetting("/etc/motd", content=""))
    assert shapes_boot(AdditionalFileSetting("/etc/modprobe.d/a.conf", content=""))
    assert shapes_boot(AdditionalFileSetting("//usr//lib/x", content=""))
    assert shapes_boot(AdditionalDirectorySetting(tmp_path / "unit", "/etc/systemd/system"))
    assert not shapes_boot(AdditionalDirectorySetting(tmp_path / "unit", "/srv"))
    for path, boots in (
        ("/etc/passwd", True),
        ("/etc/passwd.d/x", False),
        ("/etc//./group/", True),
        ("/etc/../boot/x", True),
        ("/etc/udev/../motd", False),
        ("/", False),
    ):
        assert shapes_boot(AdditionalFileSetting(path, content="")) is boots, path
    assert shapes_boot(ModuleSetting("loop", "always"))
    assert shapes_boot(ServiceSetting("sshd", True))


def test_the_first_difference_is_found(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(bytes(3 << 20))
    two.write_bytes(bytes(3 << 20))
    assert first_difference(one, two) is None
    with two.open("r+b") as file:
        file.seek((2 << 20) + 7)
        file.write(b"x")
    assert first_difference(one, two) == (2 << 20) + 7
    two.write_bytes(bytes(5))
    assert first_difference(one, two) == 5


def _refusal(target: Path, inputs: tuple[Path, ...], store: Store) -> str:
    with pytest.raises(DockyardError) as caught:
        require_placeable(target, inputs, store)
    return caught.value.problems[0].what


def test_an_image_goes_only_where_nothing_else_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    image = tmp_path / "image.yaml"
    image.write_text("")
    os.mkfifo(tmp_path / "fifo")
    for name, target in (("null", "/dev/null"), ("pipe", "fifo"), ("same", "image.yaml")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "files").mkdir()

    def refusal(name: str) -> str:
        return _refusal(tmp_path / name, (image, tmp_path / "files"), store)

    assert "a device" in refusal("/dev/null") and "a device" in refusal("null")
    assert "a FIFO" in refusal("fifo") and "a FIFO" in refusal("pipe")
    assert "a directory" in refusal("files")
    assert "what it is made of" in refusal("image.yaml") and "made of" in refusal("same")
    assert "what it is made of" in refusal("files/new.raw")
    assert "the store" in refusal("store/results/new.raw")
    assert "not a directory" in refusal("image.yaml/new.raw")
    assert "cannot be put there" in refusal("loop")


def test_an_image_goes_to_a_new_name_or_in_place_of_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "old.raw").write_text("")
    (tmp_path / "latest.raw").symlink_to("old.raw")
    for name, real in (("old", "old"), ("latest", "old"), ("new/below", "new/below")):
        found = require_placeable(tmp_path / f"{name}.raw", (), store)
        assert found == tmp_path / f"{real}.raw"


def test_an_unknown_architecture_is_refused_where_the_distribution_says_it(tmp_path: Path) -> None:
    (tmp_path / "distro.yaml").write_text(
        "name: small\nversion: '9'\narchitecture: vax\n"
        "repositories:\n  - {id: base, baseurl: x, gpgcheck: false}\n"
    )
    file = tmp_path / "image.yaml"
    disk = DISK.replace("{id: root,", "{id: root, type: root,")
    file.write_text(f"distro: distro.yaml\n{disk}{RESET}  packages: {{install: [a]}}\n")
    with pytest.raises(DockyardError) as caught:
        read_request(load_image(file), tmp_path / "store", Origins.of_host({}))
    (problem,) = caught.value.problems
    assert problem.code == "config.unknown-value" and str(problem.where).endswith(
        "distro.yaml:3:15"
    )


def test_an_unchanged_build_loads_nothing_that_only_a_change_needs() -> None:
    heavy = {"cryptography", "pysequoia", "rich", "solv", "urllib3"}
    heavy |= {"configparser", "difflib", "dockyard.model.components"}
    code = (
        "import sys\nimport dockyard.cli.main, dockyard.cli.build, dockyard.pipeline.build\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_format_of_the_command_line_that_needs_the_package_manager_is_refused() -> None:
    image = parse_image("os: {packages: {removePackageManager: true}}\n")
    (problem,) = unpackaged_problems(image, Output("cosi"))
    assert "removePackageManager" in problem.what and str(problem.where).startswith("image.yaml:1")
    assert [*unpackaged_problems(image, Output("qcow2"))] == []
    assert [*unpackaged_problems(parse_image("os: {}\n"), Output("cosi"))] == []


def test_a_level_that_no_format_takes_is_told() -> None:
    key = "output.image.cosi.compression.level"
    loaded = parse_image("output: {image: {cosi: {compression: {level: 3}}}}\n")

    def told(chosen: str, given: int | None) -> list[tuple[str, Severity, bool]]:
        output = output_of(loaded, chosen, given)
        return [
            (each.what.partition(":")[0], each.severity, each.where == loaded.position(key))
            for each in level_remarks(loaded, output, given)
        ]

    assert told("raw", None) == [(key, Severity.NOTE, True)]
    assert told("tar-zst", 4) == [("--cosi-compression-level", Severity.WARNING, False)]
    assert told("cosi", 4) == told("baremetal-image", None) == told("unknown", 4) == []
    plain = parse_image("os: {}\n")
    assert not [*level_remarks(plain, output_of(plain, "raw", None), None)]
