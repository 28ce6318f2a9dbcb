"""The record of a customization: all that was asked for, and nothing that is secret."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dockyard import __version__
from dockyard.config import load_image
from dockyard.errors import DockyardError
from dockyard.host.in_root import InRoot
from dockyard.pipeline.image_record import record_of
from dockyard.tree.history import HISTORY, RELEASE, HistorySetting
from dockyard.tree.setting import Tree
from dockyard.tree.settings import scripts_of, settings_of

EPOCH = 1_700_000_000
DATE = "2023-11-14T22:13:20Z"
HASH = "$6$salt$" + "x" * 40
SECRETS = (
    "tell-nobody",
    HASH,
    "AAAAC3NzaC1lZDI1NTE5AAAAIA",
    "s3cret",
    "token-of-mine",
    "body-text",
)
CONFIG = f"""
baseConfigs: [{{path: ../shared/base.yaml}}]
input: {{image: {{path: base.raw}}}}
output: {{image: {{path: /somewhere/out.raw, format: qcow2}}}}
os:
  users:
    - {{name: a, password: {{type: hashed, value: "{HASH}"}}}}
    - {{name: b, password: {{type: hashed-file, value: hash}}, sshPublicKeyPaths: [key.pub]}}
    - name: c
      sshPublicKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== c@example]
  additionalFiles:
    - {{content: tell-nobody, destination: /etc/secret, permissions: "600"}}
    - {{source: file, destination: /etc/file}}
  additionalDirs: [{{source: dir, destination: /srv}}]
scripts:
  postCustomization:
    - content: "echo body-text"
      environmentVariables: {{TOKEN: s3cret}}
      arguments: [--token, token-of-mine]
  finalizeCustomization: [{{path: last.sh}}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("own", "shared", "own/dir"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared/base.yaml").write_text(
        "os:\n  hostname: node\n  additionalFiles: [{source: shared, destination: /etc/shared}]\n"
    )
    (tmp_path / "shared/shared").write_text("shared")
    for name in ("file", "dir/one", "last.sh"):
        (tmp_path / "own" / name).write_text(name)
    (tmp_path / "own/hash").write_text(HASH)
    (tmp_path / "own/key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== b@example\n")
    (tmp_path / "own/image.yaml").write_text(CONFIG)
    return tmp_path / "own"


def record(place: Path, name: str = "image.yaml", digest: str = "00") -> HistorySetting:
    loaded = load_image(place / name)
    hidden = (place / "image.yaml",)
    scripts = [
        *scripts_of(loaded, "postCustomization", hidden),
        *scripts_of(loaded, "finalizeCustomization", hidden),
    ]
    made_of = {"contentDigest": digest}
    (found,) = record_of(loaded, settings_of(loaded), scripts, made_of, EPOCH)
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_record_has_all_that_was_asked_for_and_no_secret(place: Path) -> None:
    entry = record(place).entry
    text = json.dumps(entry)
    assert not [secret for secret in SECRETS if secret in text]
    assert str(place) not in text and "/somewhere" not in text
    assert (entry["timestamp"], entry["toolVersion"]) == (DATE, __version__)
    assert entry["configFiles"] == ["../shared/base.yaml", "image.yaml"]
    assert entry["input"] == {"contentDigest": "00"}
    system = entry["config"]["os"]
    assert system["hostname"] == "node"
    assert system["additionalFiles"] == [
        {
            "source": "../shared/shared",
            "destination": "/etc/shared",
            "sha256hash": sha256("shared"),
        },
        {"destination": "/etc/secret", "permissions": "600", "sha256hash": sha256("tell-nobody")},
        {"source": "file", "destination": "/etc/file", "sha256hash": sha256("file")},
    ]
    assert system["additionalDirs"][0]["sha256hashmap"] == {"one": sha256("dir/one")}
    users = {user["name"]: user for user in system["users"]}
    assert users["a"]["password"] == {"type": "hashed", "value": "[redacted]"}
    assert users["b"]["password"] == {"type": "hashed-file", "value": "hash"}
    assert users["c"]["sshPublicKeys"] == ["[redacted]"]
    scripts = entry["config"]["scripts"]
    assert scripts["postCustomization"] == [
        {
            "arguments": ["[redacted]"] * 2,
            "environmentVariables": {"TOKEN": "[redacted]"},
            "sha256hash": sha256("echo body-text"),
        }
    ]
    assert scripts["finalizeCustomization"][0]["sha256hash"] == sha256("last.sh")


def test_the_uuid_of_an_image_follows_from_what_shapes_it(place: Path) -> None:
    first = record(place)
    assert record(place) == first
    assert record(place, digest="01").uuid != first.uuid
    text = CONFIG.replace("/somewhere/out.raw", "elsewhere.raw").replace("qcow2", "raw")
    (place / "image.yaml").write_text(text)
    assert record(place).uuid == first.uuid
    for secret in ("tell-nobody", "s3cret", "body-text", "x" * 40):
        (place / "image.yaml").write_text(CONFIG.replace(secret, "y" * 40))
        assert record(place).uuid != first.uuid, secret


def test_none_wants_no_record(place: Path) -> None:
    (place / "none.yaml").write_text("os: {imageHistory: none}\n")
    assert record_of(load_image(place / "none.yaml"), (), (), {}, EPOCH) == ()


@pytest.fixture
def tree(tmp_path: Path, namespace: None) -> Any:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    with InRoot(root) as files:
        yield Tree(root, files, EPOCH)


def test_each_customization_is_one_entry_more(place: Path, tree: Tree) -> None:
    first, second = record(place), record(place, digest="01")
    for each in (first, second):
        each.apply(tree)
    entries = json.loads(tree.files.read(HISTORY))
    assert entries == [first.entry, second.entry]
    release = tree.files.read_text(RELEASE)
    assert f'BUILD_DATE="{DATE}"\n' in release and f'IMAGE_UUID="{second.uuid}"\n' in release
    assert f'TOOL_VERSION="{__version__}"' in release


def test_a_history_keeps_what_no_encoding_holds(place: Path, tree: Tree) -> None:
    tree.files.make_directories(HISTORY.rpartition("/")[0])
    tree.files.write(HISTORY, rb'["\ud800"]')
    first = record(place)
    first.apply(tree)
    assert json.loads(tree.files.read(HISTORY)) == ["\ud800", first.entry]


@pytest.mark.parametrize("text", ["{", "{}", "[" * 100_000])
def test_a_history_that_is_none_stops_it(place: Path, tree: Tree, text: str) -> None:
    tree.files.make_directories(HISTORY.rpartition("/")[0])
    tree.files.write(HISTORY, text.encode())
    with pytest.raises(DockyardError) as caught:
        record(place).apply(tree)
    assert caught.value.problems[0].code == "tree.history"
    assert tree.files.read(HISTORY) == text.encode()


def test_the_checks_see_what_was_written(place: Path, tree: Tree) -> None:
    setting = record(place)
    for each in (record(place, digest="01"), setting):
        each.apply(tree)
    assert told_by(setting, tree) == [True]
    # What stands beside the file is another since: the record alone tells it, and once.
    (place / "file").write_text("changed")
    assert told_by(record(place), tree) == [False]


def told_by(setting: HistorySetting, tree: Tree) -> list[bool]:
    """What the checks of a record say of a tree, by this host's shell."""
    import subprocess

    found = []
    for check in setting.checks():
        script = check.script
        for path in (RELEASE, HISTORY):
            script = script.replace(path, f"{tree.path}{path}")
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True)
        found.append(done.stdout.strip() == check.expect)
    return found
