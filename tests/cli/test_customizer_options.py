"""Command lines of Image Customizer: the verb that is meant, and options that are its own."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from here import Here

from dockyard.cli.customizer_options import with_verb
from dockyard.cli.display import display
from dockyard.cli.main import VERBS, dockyard
from dockyard.cli.timestamps import timestamps
from dockyard.engine import events
from dockyard.errors import DockyardError


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text("os: {hostname: a}\n")
    return str(path)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--config-file c --image-file i", "customize --config-file c --image-file i"),
        ("--build-dir b --config-file=c", "customize --build-dir b --config-file=c"),
        ("--log-level debug --config-file c", "customize --log-level debug --config-file c"),
        ("--log-level=debug build c", "build --log-level=debug c"),
        ("--disable-telemetry --log-file l lock c", "lock --disable-telemetry --log-file l c"),
        ("customize --config-file c", "customize --config-file c"),
        ("biuld --config-file c", "biuld --config-file c"),
        ("--help", "--help"),
        ("--version", "--version"),
        ("--json", "--json"),
        ("", ""),
    ],
)
def test_the_verb_of_a_line_of_image_customizer(given: str, meant: str) -> None:
    assert with_verb(given.split(), [*VERBS]) == meant.split()


GLOBAL = "timestamp-file disable-telemetry log-level log-color log-file log-format"
WRITES = "output-image-file output-path output-image-format cosi-compression-level tools-dir"
FLAGS = {
    "create": f"build-dir config-file {WRITES} rpm-source package-snapshot-time distro "
    "distro-version",
    "customize": f"build-dir config-file image-file image {WRITES} rpm-source "
    "disable-base-image-rpm-repos package-snapshot-time image-cache-dir setfiles-context "
    "output-selinux-policy-path",
    "inject-files": f"build-dir config-file image-file {WRITES}",
    "convert": f"build-dir image-file {WRITES}",
    "validate-config": "build-dir config-file validate-resources",
}


@pytest.mark.parametrize("verb", sorted(FLAGS))
def test_each_verb_has_every_option_that_it_has_there(verb: str) -> None:
    command = dockyard.get_command(click.Context(dockyard), verb)
    assert command is not None
    has = {name for each in command.params for name in each.opts}
    assert {f"--{name}" for name in f"{FLAGS[verb]} {GLOBAL}".split()} - has == set()


def test_without_a_verb_an_image_is_customized(here: Here, config: str, tmp_path: Path) -> None:
    words = ("--config-file", config, "--store", str(tmp_path / "store"), "--json")
    done = here("--log-level", "error", *words)
    told = json.loads(done.stdout)
    assert (told["verb"], done.returncode) == ("customize", 1)
    assert [each["code"] for each in told["problems"]] == ["image.no-input"]


def test_options_without_a_part_are_told(here: Here, config: str, tmp_path: Path) -> None:
    words = ("customize", "--config-file", config, "--store", str(tmp_path / "store"))
    idle = (
        "--build-dir",
        "b",
        "--tools-dir",
        "t",
        "--setfiles-context",
        "u",
        "--disable-telemetry",
    )
    done = here(*words, *idle, "--json")
    remarks = json.loads(done.stdout)["remarks"]
    assert [(each["code"], each["severity"]) for each in remarks] == [("cli.no-part", "note")] * 3
    assert str(tmp_path / "store") in remarks[0]["why"]
    assert "has no part" in here(*words, *idle).stderr
    assert "has no part" not in here(*words, *idle, "--log-level", "warn").stderr
    assert here(*words, "--log-level", "chatty").returncode == 2


def test_colours_are_as_asked_for(here: Here, config: str, tmp_path: Path) -> None:
    words = ("customize", "--config-file", config, "--store", str(tmp_path / "store"))
    assert "\x1b[" in here(*words, "--log-color", "always").stderr
    assert "\x1b[" not in here(*words, "--log-color", "never").stderr
    assert "\x1b[" not in here(*words).stderr


def test_timestamps_of_all_work_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "times"
    path.write_text("of an earlier run\n")
    with click.Context(click.Command("x")) as context:
        context.meta["dockyard.timestamps"] = path
        context.meta["dockyard.log-format"] = "json"
        for title in ("one", "two"):
            with display("auto") as listener:
                listener(events.StepStarted("1", title, ""))
                listener(events.StepFinished("1", title, 0.5))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["step"], each["event"]) for each in lines] == [
        ("one", "begin"), ("one", "end"), ("two", "begin"), ("two", "end")
    ]  # fmt: skip
    assert lines[1]["seconds"] == 0.5
    assert all(each["time"].endswith("Z") for each in lines)
    assert '"event": "StepStarted"' in capsys.readouterr().err


def test_a_file_of_timestamps_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DockyardError, match="timestamps"), timestamps(tmp_path / "a/b", set()):
        pass


@pytest.mark.parametrize("verb", ["build", "customize", "fetch", "lock", "plan"])
def test_verbs_that_fetch_packages_say_where_an_rpm_distribution_is(verb: str) -> None:
    command = dockyard.get_command(click.Context(dockyard), verb)
    assert command is not None
    has = {name for each in command.params for name in each.opts}
    assert {"--rpm-mirror", "--rpm-key"} <= has
