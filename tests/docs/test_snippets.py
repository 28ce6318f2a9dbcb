"""Every YAML and shell snippet of the documentation is what it claims to be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from snippets import PAGES, ROOT, Block, blocks, commands, dockyard_words, mentions, shell_lines

from dockyard.cli.customizer_options import with_verb
from dockyard.cli.main import VERBS, dockyard
from dockyard.config import parse_image, parse_model
from dockyard.config.variants import images_of
from dockyard.model.base import Model
from dockyard.model.components import ComponentsFile, Package
from dockyard.model.distro import Distro
from dockyard.model.image import InjectFilesConfig

TUTORIAL = ROOT / "docs/tutorial.md"
KINDS: dict[str, type[Model]] = {
    "components": ComponentsFile,
    "distro": Distro,
    "package": Package,
}
# Verbs that answer at once and change nothing.
_QUICK = ("validate-config", "schema")

# The gallery's own tests hold its pages to what they say.
_YAML = [
    block for block in blocks() if block.language == "yaml" and "errors" not in block.page.parts
]


def tutorial_image() -> str:
    """The image file of the tutorial, which fragments are tried in."""
    [text] = [block.text for block in blocks(TUTORIAL) if block.marked("file")]
    return text


@pytest.mark.parametrize("block", _YAML, ids=str)
def test_yaml(block: Block) -> None:
    if block.mark == "other":
        assert yaml.safe_load(block.text)
    elif block.mark == "inject files":
        parse_model(InjectFilesConfig, block.text, str(block))
    elif kind := block.marked("distro"):
        parse_model(KINDS[kind.split()[0]], block.text, str(block))
    elif place := block.marked("fragment of"):
        parse_image(_with_fragment(tutorial_image(), place, block.text), str(block))
    elif block.marked("add to"):
        images_of(tutorial_image() + block.text, Path(str(block)))
    elif block.page.name != "differences.md":  # whose tests have them, refused ones among them
        parse_image(block.text, str(block))


def _with_fragment(image: str, place: str, fragment: str) -> str:
    document: dict[str, Any] = yaml.safe_load(image)
    found: dict[str, Any] = yaml.safe_load(fragment)
    document[place] = {**document.get(place, {}), **found}
    return yaml.safe_dump(document, sort_keys=False)


@pytest.mark.parametrize(("where", "line"), commands())
def test_command_line_is_understood(where: str, line: str) -> None:
    parse(dockyard_words(line) or [])


@pytest.mark.parametrize(("where", "text"), mentions())
def test_mentioned_command_exists(where: str, text: str) -> None:
    parse(dockyard_words(text) or [], whole=False)


def parse(words: list[str], *, whole: bool = True) -> None:
    """Raise click's error for a verb, option, choice or argument that does not exist.

    whole: arguments that are needed must be there.
    """
    if not words or words[0] in ("--help", "--version"):
        return
    command: click.Command = dockyard
    path = with_verb(words, [*VERBS])
    while isinstance(command, click.Group) and path and not path[0].startswith("-"):
        name = path.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"no verb {name}")
        command = found
    context = click.Context(command)
    values, left, _ = command.make_parser(context).parse_args(path)
    assert not left, f"left over: {left}"
    for parameter in command.params:
        given = values.get(parameter.name or "")
        given = given if isinstance(given, (str, list, tuple)) else None
        named = parameter.name == "image" and values.get("config_file")
        if isinstance(parameter, click.Argument) and whole and not named:
            assert given or parameter.name == "kind", f"{parameter.name} is missing"
        if given and isinstance(parameter.type, click.Choice):
            parameter.type.convert(given, parameter, context)


@pytest.mark.parametrize(
    "words",
    [
        ["build", "--no-such"],
        ["biuld"],
        ["build", "a", "b"],
        ["boot", "x", "--bus", "isa"],
        ["lock"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_would_be_found(words: list[str]) -> None:
    with pytest.raises((click.ClickException, AssertionError)):
        parse(words)


def _quick() -> list[str]:
    lines = {line for _, line in commands()}
    return sorted(
        line
        for line in lines
        if (words := dockyard_words(line))
        and (words[0] in _QUICK or words == ["tools"] or words[:2] == ["distro", "list"])
        and all((ROOT / word).exists() for word in words if "/" in word)
        and "IMAGE" not in words
        and "web.yaml" not in words
    )


@pytest.mark.parametrize("line", _quick())
def test_quick_commands_run(line: str) -> None:
    run(dockyard_words(line) or [], ROOT)


def run(words: list[str], directory: Path) -> str:
    """Run Dockyard; the test fails with its output when it does. Gives standard output."""
    program = str(Path(sys.executable).with_name("dockyard"))
    done = subprocess.run([program, *words], cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, f"dockyard {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_make_targets_exist() -> None:
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {
        line.split()[1]
        for block in blocks()
        if block.language == "sh"
        for line in shell_lines(block)
        if line.startswith("make ")
    }
    assert shown and shown <= made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.build
def test_the_tutorial_works(tmp_path: Path) -> None:
    (tmp_path / "distros").symlink_to(ROOT / "distros")
    said = ""
    for block in blocks(TUTORIAL):
        if name := block.marked("file"):
            (tmp_path / name).write_text(block.text)
        elif added := block.marked("add to"):
            with (tmp_path / added.split()[0]).open("a") as file:
                file.write(block.text)
        elif block.language == "sh" and block.marked("not run") is None:
            for line in shell_lines(block):
                said += _as_told(line, tmp_path)
    assert "my-server/image.yaml: valid" in said
    assert "file /etc/motd was added" in " ".join(said.split())
    with (tmp_path / "build/my-server.raw").open("rb") as image:
        image.seek(512)
        assert image.read(8) == b"EFI PART"


def _as_told(line: str, directory: Path) -> str:
    """Do what a line of the tutorial says; booting is for the tests of booting."""
    words = dockyard_words(line)
    if words is not None:
        return "" if words[0] == "boot" else run(words, directory)
    if line.startswith("ssh-keygen") and not shutil.which("ssh-keygen"):
        (directory / "my-server/key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA alice\n")
        return ""
    subprocess.run(["/bin/sh", "-euc", line], cwd=directory, check=True)
    return ""
