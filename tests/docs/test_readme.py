"""The README names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import click

from dockyard.cli.main import dockyard
from dockyard.config.bundled import bundled_distros

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def row(name: str) -> str:
    found = re.search(rf"^\| {name} \| (.*) \|$", README, re.MULTILINE)
    assert found
    return found[1]


def test_every_verb_is_named() -> None:
    assert set(re.findall(r"`([a-z-]+)`", row("verbs"))) == set(
        dockyard.list_commands(click.Context(dockyard))
    )


def test_every_example_is_linked() -> None:
    linked = set(re.findall(r"\(examples/([^/)]+)/image\.yaml\)", row("examples")))
    assert linked == {path.parent.name for path in ROOT.glob("examples/*/image.yaml")}


def test_every_distribution_is_named() -> None:
    named = README.lower().replace(" ", "-")
    families = {re.sub(r"-[0-9.]+$", "", name) for name in bundled_distros()}
    assert {each for each in families if each not in named} == set()
