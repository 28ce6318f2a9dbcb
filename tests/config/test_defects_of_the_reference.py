"""What Image Customizer gets wrong: a test for each outcome on the page of differences, by key."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from dockyard.config import load_image, parse_image
from dockyard.config.outcomes import OUTCOMES
from dockyard.config.record import recorded
from dockyard.disk import gpt, verity
from dockyard.disk.command_words import words_of
from dockyard.engine.store import Store
from dockyard.errors import DockyardError
from dockyard.formats.cosi_metadata import StoredImage, metadata
from dockyard.formats.cosi_regions import regions
from dockyard.formats.system import System
from dockyard.host.in_root import InRoot
from dockyard.model.architecture import Architecture
from dockyard.packages.access import Access
from dockyard.packages.origins import Origins
from dockyard.pipeline.acted_on import not_buildable
from dockyard.pipeline.build import plan_image
from dockyard.pipeline.creation import Creation
from dockyard.tree.additional import AdditionalDirectorySetting, AdditionalFileSetting
from dockyard.tree.history import HistorySetting
from dockyard.tree.scripts import ScriptSetting
from dockyard.tree.setting import Tree

sys.path.append(str(Path(__file__).parents[1] / "packages"))
sys.path.append(str(Path(__file__).parents[1] / "docs"))
from conformance import MODELS, cases, judge
from rpm_repositories import add_rpm
from snippets import blocks

MIB = 1 << 20
DISK = """\
storage:
  bootType: efi
  disks:
    - partitions:
        - {id: esp, type: esp, size: 64M}
        - {id: root, type: root, size: 1G}
  filesystems:
    - {deviceId: esp, type: vfat, mountPoint: /boot/efi}
    - {deviceId: root, type: ext4, mountPoint: /}
"""


def codes(text: str) -> list[str]:
    """The codes of what is wrong with an image file; none where it is valid."""
    return [problem.code for problem in judge(text)]


def test_every_entry_of_the_page_has_a_test() -> None:
    here = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {each.key for each in OUTCOMES} == here - {"every_entry_of_the_page_has_a_test"}


@pytest.fixture
def tree(tmp_path: Path, namespace: None) -> Iterator[Tree]:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    with InRoot(root) as files:
        yield Tree(root, files, 0)


def test_paths_stay_inside_the_image(tree: Tree, tmp_path: Path) -> None:
    file = "os: {{additionalFiles: [{{content: x, destination: {}}}]}}\n"
    assert codes(file.format("/etc/../../x")) == ["config.path-escapes"]
    assert codes(file.format("etc/x")) == ["config.path-relative"]
    directory = "os: {additionalDirs: [{source: d, destination: ../x}]}\n"
    assert codes(directory) == ["config.path-escapes"]
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree.path / "srv").symlink_to(outside)
    tree.files.make_directories(str(outside))  # the same path, inside
    AdditionalFileSetting("/srv/x", content="inside").apply(tree)
    assert not list(outside.iterdir())
    assert Path(f"{tree.path}{outside}/x").read_text() == "inside"


@pytest.mark.parametrize(
    "device",
    [
        "dataDevice: {idType: bogus, id: d}",
        "dataDeviceMountIdType: bogus",
        "name: anything",
        "hashDevice: {idType: part-label}",
    ],
)
def test_verity_is_checked_before_work(device: str) -> None:
    said = {"id": "v", "name": "root", "dataDevice": "{idType: part-label, id: d}",
            "hashDevice": "{idType: part-label, id: h}"}  # fmt: skip
    key, _, value = device.partition(": ")
    listed = ", ".join(f"{name}: {text}" for name, text in {**said, key: value}.items())
    assert codes(f"storage: {{verity: [{{{listed}}}]}}\n")
    listed = ", ".join(f"{name}: {text}" for name, text in said.items())
    assert not codes(f"storage: {{verity: [{{{listed}}}]}}\n")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("os: {additionalFiles: [{content: x, destination: /x, KEY: a}]}\n", "sha256hash"),
        ("os: {additionalDirs: [{source: x, destination: /x, KEY: {}}]}\n", "sha256hashmap"),
        ("scripts: {postCustomization: [{content: x, KEY: a}]}\n", "sha256hash"),
        ("storage: {filesystems: [{deviceId: a, type: ext4, KEY: a}]}\n", "partitionid"),
        ("storage: {filesystems: [{deviceId: a, type: ext4, KEY: 1}]}\n", "size"),
        ("storage: {KEY: a}\n", "veritypartitionstype"),
        ("storage: {verity: [{id: v, name: root, KEY: a}]}\n", "mount"),
    ],
)
def test_only_documented_keys_exist(text: str, key: str) -> None:
    problems = judge(text.replace("KEY", key))
    assert any(each.code == "config.unknown-key" and f"`{key}`" in each.what for each in problems)


def test_create_acts_on_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dockyard.pipeline.required.require_parts",
                 "dockyard.pipeline.from_packages.require_whole",
                 "dockyard.pipeline.from_packages._judge_packages"):  # fmt: skip
        monkeypatch.setattr(name, lambda *_: None)  # small packages boot nothing
    add_rpm(tmp_path / "rpms", "kernel", path="/usr/lib/modules/6.1/vmlinuz", built=5)
    config, store = tmp_path / "config.yaml", Store(tmp_path / "store")
    creation = Creation((tmp_path / "rpms",), Access.of_store(store.root))
    system = "os:\n  bootloader: {resetType: hard-reset}\n  packages: {install: [kernel]}\n"
    config.write_text(
        f"{DISK}{system}  users: [{{name: u}}]\n  groups: [{{name: g}}]\n"
        "  services: {enable: [sshd]}\noutput: {image: {format: cosi}}\n"
    )
    made = plan_image(load_image(config), store, Origins(), creation=creation)
    told = [each.describe() for each in made.request.settings.settings]
    for word in ("user u", "group g", "sshd"):
        assert any(word in line for line in told), word
    assert made.request.settings.record and made.request.output.format == "cosi"
    more = "iso: {initramfsType: bootstrap}\ninput: {image: {path: config.yaml}}\n"
    config.write_text(DISK + system + more)
    with pytest.raises(DockyardError) as caught:
        plan_image(load_image(config), store, Origins(), creation=creation)
    said = " ".join(f"{each.what} {each.why}" for each in caught.value.problems)
    assert "`input`" in said and "iso" in said


def test_preview_features_gate_nothing() -> None:
    for source in ("azureLinux: {variant: minimal-os, version: 3.0}", "oci: r.example/a"):
        for switch in ("", "previewFeatures: [input-image-oci]\n"):
            assert not codes(f"{switch}input: {{image: {{{source}}}}}\n")


def test_nothing_of_a_file_is_ignored() -> None:
    (problem,) = judge("os: {hostname: a}\n---\nos: {hostname: b}\n")
    assert "second document" in problem.what and "2" in str(problem.where)
    for text in ("", "# only a comment\n"):
        (problem,) = judge(text)
        assert problem.what == "the file is empty" and problem.fix


def test_sizes_are_read_one_way() -> None:
    text = DISK.replace("64M", "SIZE") + "os: {bootloader: {resetType: hard-reset}}\n"
    for size in ("010M", "08M"):
        (problem,) = judge(text.replace("SIZE", size))
        assert problem.code == "config.size" and problem.fix
    assert not codes(text.replace("SIZE", "8M"))


def test_times_are_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    told = set()
    for zone in ("UTC", "Asia/Tokyo", "America/Lima"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        told.add(HistorySetting("1", 1_700_000_000, "u", "{}").date)
    monkeypatch.undo()
    time.tzset()
    assert told == {"2023-11-14T22:13:20Z"}


@pytest.mark.parametrize("size", [8 * MIB, 64 * MIB, 1024 * MIB, 1025 * MIB, 5000 * MIB])
def test_inline_verity_wastes_no_space(size: int) -> None:
    data = verity.inline_data_size(size)
    more = data + 4096
    assert data + verity.tree_size(data) <= size < more + verity.tree_size(more)


@pytest.mark.parametrize(
    "text",
    [
        "os: {services: {enable: [a], disable: [a.service]}}\n",
        "os: {users: [{name: a}, {name: a}]}\n",
        "os: {packages: {install: ['']}}\n",
        "os: {users: [{name: 'a:b'}]}\n",
        "previewFeatures: [uki, uki]\n",
        "os: {uki: {}}\n",
        DISK.replace("    - {deviceId: root, type: ext4, mountPoint: /}\n", "")
        + "os: {bootloader: {resetType: hard-reset}}\n",
    ],
)
def test_contradictions_are_told(text: str) -> None:
    try:
        loaded = parse_image(text)
    except DockyardError as error:
        assert all(problem.fix for problem in error.problems)
        return
    told = [*loaded.remarks, *not_buildable(loaded, created=True)]
    assert {"config.without-effect", "build.no-root"} & {each.code for each in told}


def test_the_schema_agrees_with_the_reader() -> None:
    import jsonschema_rs
    from conformance import plain

    from dockyard.config.report import Report
    from dockyard.config.schema import json_schema
    from dockyard.config.source import parse

    schemas = {name: json_schema(model) for name, model in MODELS.items()}
    refused = []
    for case in cases():
        if case.verdict != "valid" or judge(case.yaml, MODELS[case.type]):
            continue
        root = parse(case.yaml, "image.yaml", Report())
        if root is None or not jsonschema_rs.is_valid(schemas[case.type], plain(root)):
            refused.append(case.id)
    assert not refused
    own = {"os": {"hostname": "a", "selinux": {"mode": "bogus"}}}
    assert not jsonschema_rs.is_valid(schemas["Config"], own)


def test_the_documentation_is_valid() -> None:
    whole = [block for block in blocks() if block.language == "yaml" and not block.mark]
    refused = ("docs/reference/differences.md", "docs/errors/")  # they show what is refused
    found = [
        (str(block), codes(block.text)) for block in whole if not str(block).startswith(refused)
    ]
    assert len(found) >= 5
    assert not [each for each in found if each[1]]


def test_a_diamond_is_no_cycle(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("os: {packages: {install: [bash]}}\n")
    for side in ("left", "right"):
        text = f"baseConfigs: [{{path: base.yaml}}]\nos: {{packages: {{install: [{side}]}}}}\n"
        (tmp_path / f"{side}.yaml").write_text(text)
    top = tmp_path / "top.yaml"
    top.write_text("baseConfigs: [{path: left.yaml}, {path: right.yaml}]\n")
    loaded = load_image(top)
    assert loaded.image.os.packages.install == ("bash", "left", "right")
    assert len(loaded.files) == 4
    (tmp_path / "base.yaml").write_text("baseConfigs: [{path: top.yaml}]\n")
    with pytest.raises(DockyardError) as caught:
        load_image(top)
    ring = next(each for each in caught.value.problems if each.code == "config.base-cycle")
    names = re.findall(r"(\w+)\.yaml", ring.why)
    assert names == ["top", "left", "base", "top"]


def test_cosi_describes_the_image(tmp_path: Path) -> None:
    kind = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
    # The second of the table comes first on the disk.
    places = {1: 40 * MIB, 2: 1 * MIB}
    entries = [gpt.TableEntry(number, kind, UUID(int=number), start, MIB)
               for number, start in places.items()]  # fmt: skip
    table = gpt.Table(UUID(int=9), 64 * MIB, tuple(entries))
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as out:
        out.truncate(table.size)
        gpt.write(table, out)
    order = [each.number for each in regions(disk, table.size)[1]]
    assert order == [None, 2, 1]
    stored = [StoredImage(f"images/{each}", MIB, 1, "00", each) for each in order]
    for processor, name in ((Architecture.AARCH64, "arm64"), (Architecture.X86_64, "x86_64")):
        told = System(processor, "ID=x\n", "grub", (), (), ())
        data = json.loads(metadata(table, stored, told, UUID(int=1), 27))
        assert data["osArch"] == name
        assert [each.get("number") for each in data["disk"]["gptRegions"]] == [None, 2, 1]


def test_the_history_has_no_secrets(tmp_path: Path) -> None:
    secrets = ("hunter2", "s3cret", "echo body", "AAAAC3Nza", "--token=x")
    (tmp_path / "base.yaml").write_text("os: {hostname: of-the-base}\n")
    (tmp_path / "image.yaml").write_text(
        "baseConfigs: [{path: base.yaml}]\n"
        "os:\n  users:\n"
        "    - {name: a, password: {type: plain-text, value: hunter2}}\n"
        "    - {name: b, sshPublicKeys: [ssh-ed25519 AAAAC3Nza]}\n"
        "scripts:\n  postCustomization:\n"
        "    - {content: echo body, environmentVariables: {A: s3cret}, arguments: [--token=x]}\n"
    )
    said = json.dumps(recorded(load_image(tmp_path / "image.yaml")))
    assert not [secret for secret in secrets if secret in said]
    assert "of-the-base" in said and said.count("[redacted]") == 4


def test_files_keep_their_modes(tree: Tree, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    modes = {"key": 0o600, "program": 0o4775, "plain": 0o664, "script": 0o644}
    for name, mode in modes.items():
        (given / name).write_text("#!/bin/sh\n" if name == "script" else name)
        (given / name).chmod(mode)
    (given / "link").symlink_to("key")
    copied = AdditionalDirectorySetting(given, "/opt")
    AdditionalFileSetting("/opt/file", source=given / "program").apply(tree)
    copied.apply(tree)
    found = {path.name: path.lstat().st_mode for path in (tree.path / "opt").iterdir()}
    assert {name: mode & 0o7777 for name, mode in found.items()} == {
        "key": 0o600, "program": 0o755, "plain": 0o644, "script": 0o644, "file": 0o755,
        "link": 0o777,
    }  # fmt: skip
    assert (tree.path / "opt/link").is_symlink()
    (told,) = copied.remarks()
    assert told.what == "/opt/script can be executed by nobody"
    assert not list(AdditionalDirectorySetting(given, "/opt", file_mode=0o644).remarks())


def test_words_stay_words() -> None:
    assert words_of('a=1 b=2 c="x y" d=$e') == ("a=1", "b=2", 'c="x y"', "d=$e")


def test_scripts_see_the_same_everywhere(
    shell_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "yes")
    (tmp_path / "given").mkdir()
    text = "export -p >/env; echo /* >/seen; (echo x >/_imageconfigs/out) 2>/error\n"
    text += "cat /proc/net/dev >/net\n"
    with InRoot(shell_tree) as files:
        script = ScriptSetting("s", tmp_path / "given", content=text,
                               environment=(("OF_THE_FILE", "yes"),))  # fmt: skip
        script.apply(Tree(shell_tree, files, 1))
    seen = (shell_tree / "env").read_text()
    assert "OF_THE_FILE" in seen and "OF_THE_MACHINE" not in seen
    assert "_imageconfigs" in (shell_tree / "seen").read_text()
    assert "Read-only file system" in (shell_tree / "error").read_text()
    assert "eth" not in (shell_tree / "net").read_text()
    assert not (shell_tree / "_imageconfigs").exists()
