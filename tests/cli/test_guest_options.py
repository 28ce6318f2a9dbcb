"""What a guest is given: the options say it, and what they cannot mean is refused."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from here import Here

from dockyard.cli.guest_options import Given, guest_options
from dockyard.vm.devices import SharedDirectory
from dockyard.vm.errand import Copy, Share


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk.raw").write_bytes(bytes(4096))
    return tmp_path / "disk.raw"


def read(*words: str) -> Given:
    """What a verb makes of its options."""
    told: list[Given] = []

    @click.command()
    @guest_options
    def verb(given: Given) -> None:
        told.append(given)

    done = CliRunner().invoke(verb, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return told[0]


def test_the_options_say_what_goes_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    found = read("--copy-in", "a:b:/opt/x", "--copy-in", "a:b:/opt/", "--share", "a:b:/srv:ro")
    source = tmp_path / "a:b"
    assert found.copies == (Copy(source, "/opt/x"), Copy(source, "/opt/a:b"))
    assert found.shares == (Share(source, "/srv", read_only=True),)
    assert read("--share", "a:b").shares == (Share(source, "/run/share/a:b"),)


@pytest.mark.parametrize(
    "value", ["file", "file:relative", "nothing:/a", ":/a", "file:"], ids=lambda value: value
)
def test_a_copy_that_cannot_be_is_refused(
    value: str, here: Here, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    done = here("boot", str(disk), "--copy-in", value)
    assert done.returncode == 2 and "--copy-in" in done.stderr


@pytest.mark.parametrize("words", [["file"], ["nothing"], ["a", "a"], ["a:x:ro"]], ids=" ".join)
def test_a_share_that_cannot_be_is_refused(
    words: list[str], here: Here, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "a").mkdir()
    options = [word for each in words for word in ("--share", each)]
    done = here("boot", str(disk), *options)
    assert done.returncode == 2 and "--share" in done.stderr


def test_what_is_given_goes_where_it_is_said(tmp_path: Path) -> None:
    shares = [Share(tmp_path, "/run/share/x"), Share(tmp_path, "/srv", read_only=True)]
    found = Given([Copy(tmp_path, "/opt/x")], shares)
    assert found and not Given([], [])
    assert found.directories == (
        SharedDirectory(tmp_path, "dockyard0"),
        SharedDirectory(tmp_path, "dockyard1", read_only=True),
    )
    assert found.modules == ("9p", "9pnet_virtio") and Given(found.copies, []).modules == ()


IDLE = [
    (["boot", "DISK", "--shell"], "--shell needs a terminal"),
    (["boot", "DISK", "--ssh", "--shell"], "two ways to boot"),
    (["boot", "DISK", "--check", "--copy-in", "DISK:/a"], "--check takes no --copy-in"),
    (["boot", "DISK", "--check", "--graphics"], "--check takes no --copy-in"),
    (["boot", "DISK", "--snapshot"], "no option --snapshot"),
    (["run", "DISK"], "COMMAND"),
    (["run", "DISK", "--env", "A", "--", "true"], "'A' is not NAME=VALUE"),
    (["shell", "DISK", "--json"], "--json does nothing"),
]


@pytest.mark.parametrize(("words", "told"), IDLE, ids=lambda value: "-".join(value)[:40])
def test_what_means_nothing_is_refused(
    words: list[str], told: str, here: Here, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    done = here(*(word.replace("DISK", str(disk)) for word in words))
    assert done.returncode == 2, done.stderr
    assert told in " ".join((done.stderr + done.stdout).split())
