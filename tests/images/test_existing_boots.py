"""How images that exist boot is changed: what `inspect` says, and what is so when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

WORDS = "os: {{uki: {{mode: {mode}}}, kernelCommandLine: {{extraCommandLine: [{word}]}}}}\n"
# As Debian and Azure Linux up to 3 have it, in place of entries of the Boot Loader Specification.
MENU = """
scripts:
  postCustomization:
    - content: |
        #!/bin/sh
        set -e
        entry=$(echo /boot/loader/entries/*.conf)
        value() { sed -n "s/^$1 //p" "$entry"; }
        cat > /boot/grub2/grub.cfg <<END
        set timeout=0
        menuentry 'Harbor, "written out"' --class harbor \\$menuentry_id_option 'a' {
        \tlinux $(value linux) $(value options) dockyard.gone=1 \\\\
        \t\tdockyard.kept='c d' \\$unset # and no more
        \tinitrd $(value initrd)
        }
        END
        rm "$entry"
        mkdir -p /etc/default
        echo 'GRUB_CMDLINE_LINUX="dockyard.gone=1"' > /etc/default/grub
"""


def written(place: Path, name: str, text: str) -> Path:
    path = place / f"{name}.yaml"
    path.write_text(text)
    return path


def customized(config: Path, image: Path, *words: str) -> Path:
    out = config.with_suffix(".raw")
    given = ("--config-file", config, "--image-file", image, "--output-image-file", out)
    run_dockyard("customize", *given, "--progress", "quiet", *words)
    return out


def built(example: str, place: Path) -> Path:
    out = place / f"{example}.raw"
    words = ("--output-image-file", out, "--output-image-format", "raw", "--progress", "quiet")
    run_dockyard("build", EXAMPLES / example / "image.yaml", *words)
    return out


def entries(image: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_dockyard("inspect", image, "--json").json["boot"]["entries"]
    return found


def changes(one: Path, two: Path) -> dict[str, set[str]]:
    """The paths that are not the same in two images, but for the records of customizations."""
    files = run_dockyard("diff", one, two, "--json", check=False).json["files"]
    return {
        kind: {each["path"] for each in files[kind] if "image-customizer" not in each["path"]}
        for kind in ("added", "removed", "changed")
    }


def require_booted(image: Path, config: Path, of: Path) -> None:
    """The image runs with the words that its file added on the kernel command line."""
    given = ("--check", "--config-file", config, "--image-file", of)
    # The image may have been customized again since: other answers are others.
    checks = run_dockyard("boot", image, *given, "--json", check=False).json["checks"]
    assert [each["passed"] for each in checks if each["id"] == "kernel.words"] == [True]


@covers("os.uki, create", "os.uki, modify", "os.uki, passthrough", "os.kernelCommandLine")
@pytest.mark.boot
def test_ukis_are_customized_in_each_mode_one_after_another(
    published: Path, tmp_path: Path
) -> None:
    base = built("minimal", tmp_path)
    first = customized(written(tmp_path, "first", WORDS.format(mode="create", word="a.b=1")), base)
    (entry,) = entries(first)
    (before,) = entries(base)
    assert entry["commandLine"] == f"{before['commandLine']} a.b=1"
    assert changes(base, first) == {
        "added": set(), "removed": set(), "changed": {f"/boot/efi{entry['path']}"}
    }  # fmt: skip
    config = written(tmp_path, "second", WORDS.format(mode="modify", word="c.d=2"))
    second = customized(config, first)
    found = changes(first, second)
    assert not found["removed"] and not found["changed"]
    assert {path.rpartition("/")[2].rpartition(".extra.d")[2] for path in found["added"]} == {
        "", entry["path"].rpartition("/")[2].replace(".efi", ".addon.efi")
    }  # fmt: skip
    assert entries(second)[0]["commandLine"].endswith(" a.b=1 c.d=2")
    passed = written(tmp_path, "third", "os: {uki: {mode: passthrough}, hostname: passed}\n")
    third = customized(passed, second)
    assert changes(second, third)["changed"] == {"/etc/hostname"}
    again = written(tmp_path, "fourth", WORDS.format(mode="create", word="a.b=1"))
    fourth = customized(again, third)
    assert entries(fourth)[0]["commandLine"].endswith(" c.d=2 a.b=1")
    require_booted(third, config, first)


@covers("os.uki, create", loader="GRUB")
@pytest.mark.boot
def test_an_image_with_grub_gets_ukis_and_an_initrd(published: Path, tmp_path: Path) -> None:
    base = built("grub", tmp_path)
    text = "os:\n  uki: {mode: create}\n  initrd: {modules: [loop]}\n  kernelCommandLine:\n"
    config = written(tmp_path, "ukis", f"{text}    extraCommandLine: [a.b=1]\n")
    made = customized(config, base)
    (before,), (entry,) = entries(base), entries(made)
    assert entry["kind"] == "uki"
    assert entry["commandLine"] == f"{before['commandLine']} a.b=1"
    gone = changes(base, made)["removed"]
    assert before["path"] in gone and f"/boot/vmlinuz-{entry['kernel']}" in gone
    require_booted(made, config, base)


@covers("os.bootloader.resetType", "os.kernelCommandLine", loader="GRUB")
@pytest.mark.boot
def test_a_menu_of_grub_is_changed_and_made_anew(published: Path, tmp_path: Path) -> None:
    base = customized(written(tmp_path, "menu", MENU), built("grub", tmp_path))
    text = "os: {kernelCommandLine: {extraCommandLine: ['a.b=\"c d\"', 'e.f=$g;h']}}\n"
    config = written(tmp_path, "words", text)
    made = customized(config, base)
    (before,), (entry,) = entries(base), entries(made)
    assert before["kind"] == entry["kind"] == "grub"
    assert entry["commandLine"] == f'{before["commandLine"]} "a.b=c d" e.f=$g;h'
    assert changes(base, made)["changed"] == {"/boot/grub2/grub.cfg", "/etc/default/grub"}
    reset = "os:\n  bootloader: {resetType: hard-reset}\n  kernelCommandLine:\n"
    config = written(
        tmp_path, "reset", f"{reset}    extraCommandLine: ['a.b=\"c d\"', console=ttyS0]\n"
    )
    anew = customized(config, made)
    (entry,) = entries(anew)
    assert "dockyard.gone" not in entry["commandLine"]
    assert entry["commandLine"].endswith(' rw "a.b=c d" console=ttyS0')
    require_booted(anew, config, made)
