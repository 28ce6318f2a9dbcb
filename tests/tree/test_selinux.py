"""The mode of SELinux in a small tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.errors import DockyardError
from dockyard.host.in_root import InRoot
from dockyard.model.os import SelinuxMode
from dockyard.tree.selinux import (
    CONFIG,
    SelinuxSetting,
    command_words,
    policy_type,
    with_mode,
)
from dockyard.tree.setting import Tree
from dockyard.tree.settings import settings_of

TEXT = "# How\nSELINUX=permissive\n# Which\nSELINUXTYPE=targeted # the usual one\n"


@pytest.fixture
def tree(tmp_path: Path, namespace: None) -> Iterator[Tree]:
    root = tmp_path / "root"
    policy = root / "etc/selinux/targeted/policy"
    policy.mkdir(parents=True)
    (policy / "policy.33").write_bytes(b"policy")
    (root / CONFIG.lstrip("/")).write_text(TEXT)
    with InRoot(root) as files:
        yield Tree(root, files, 0)


@pytest.mark.parametrize(
    ("mode", "in_config", "words"),
    [
        ("disabled", "disabled", "selinux=0"),
        ("permissive", "permissive", "security=selinux selinux=1"),
        ("enforcing", "enforcing", "security=selinux selinux=1"),
        ("force-enforcing", "enforcing", "security=selinux selinux=1 enforcing=1"),
    ],
)
def test_a_mode_is_in_the_configuration_and_on_the_command_line(
    mode: str, in_config: str, words: str, tree: Tree
) -> None:
    (setting,) = settings_of(parse_image(f"os: {{selinux: {{mode: {mode}}}}}\n"))
    assert isinstance(setting, SelinuxSetting)
    setting.apply(tree)
    expected = TEXT.replace("SELINUX=permissive", f"SELINUX={in_config}")
    assert tree.files.read_text(CONFIG) == expected
    assert " ".join(command_words(setting.mode)) == words
    (mode_check, *labels) = setting.checks()
    assert mode_check.expect == in_config.capitalize()
    assert bool(labels) == (mode != "disabled")


def test_no_mode_has_no_words() -> None:
    assert command_words(None) == ()
    assert settings_of(parse_image("os: {hostname: ''}\n")) == ()


def test_only_the_line_of_the_mode_changes() -> None:
    assert policy_type(TEXT) == "targeted"
    assert policy_type("#SELINUXTYPE=x\n") == ""
    assert with_mode("SELINUXTYPE=mls", SelinuxMode.PERMISSIVE) == (
        "SELINUXTYPE=mls\nSELINUX=permissive\n"
    )
    assert with_mode(" SELINUX = disabled\n", SelinuxMode.ENFORCING) == "SELINUX=enforcing\n"
    assert with_mode("", SelinuxMode.DISABLED) == "SELINUX=disabled\n"


def test_without_a_policy_nothing_is_switched_on(tree: Tree) -> None:
    enforcing = SelinuxSetting(SelinuxMode.ENFORCING)
    tree.files.write(CONFIG, b"SELINUXTYPE=mls\n")
    for _ in range(2):
        with pytest.raises(DockyardError) as caught:
            enforcing.apply(tree)
        (problem,) = caught.value.problems
        assert (problem.code, "selinux-policy" in problem.fix) == ("tree.no-selinux-policy", True)
        tree.files.remove(CONFIG)
        SelinuxSetting(SelinuxMode.DISABLED).apply(tree)
        assert tree.files.lstat(CONFIG) is None
