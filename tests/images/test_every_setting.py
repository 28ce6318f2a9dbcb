"""A file of Image Customizer, unmodified and with that tool's flags, gives a machine in which every
setting holds: on each file system and with each boot loader.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard
from test_grub_images import build, variant

from features import covers

_CONFIG = Path(__file__).parent / "ic/config.yaml"
_SHOWN = (
    "baseConfigs", "os.hostname", "os.users", "os.groups", "os.services", "os.modules",
    "os.additionalFiles", "os.additionalDirs", "os.packages, install", "os.packages, remove",
    "os.overlays", "os.kernelCommandLine", "scripts",
)  # fmt: skip
_ASKED = {
    "hostname", "users.ops.account", "groups.operators", "groups.auditors", "files./etc/notice",
    "kernel.words", "packages", "accounts.users",
}  # fmt: skip


def fitted_out(image: Path, place: Path, published: Path) -> dict[str, object]:
    """Customize with the flags of that tool, boot, and give what the checks say."""
    out = place / "fitted-out.qcow2"
    packages = ("--rpm-source", published / "repositories/harbor", "--disable-base-image-rpm-repos")
    given = ("--config-file", _CONFIG, "--image-file", image, *packages)
    run_dockyard(
        *("customize", "--build-dir", place / "build", *given),
        *("--output-image-file", out, "--output-image-format", "qcow2", "--log-level", "info"),
    )
    words = (*given, "--check", "--timeout", "900", "--json")
    told: dict[str, object] = run_dockyard("boot", out, *words).json
    return told


def holds(told: dict[str, object]) -> None:
    checks = told["checks"]
    assert isinstance(checks, list)
    assert {each["id"] for each in checks} >= _ASKED
    assert told["passed"]


@pytest.mark.boot
@covers(*_SHOWN, "input.image, raw")
def test_every_setting_holds_with_a_uki(published: Path, tmp_path: Path) -> None:
    image = tmp_path / "base.raw"
    example = EXAMPLES / "server/image.yaml"
    run_dockyard("build", example, "--output-image-file", image, "--progress", "quiet")
    holds(fitted_out(image, tmp_path, published))


@pytest.mark.boot
@pytest.mark.parametrize(
    "root",
    [
        pytest.param("ext4", marks=covers(*_SHOWN, loader="GRUB")),
        pytest.param(
            "xfs", marks=(pytest.mark.long, covers(*_SHOWN, loader="GRUB", file_system="xfs"))
        ),
        pytest.param(
            "btrfs", marks=(pytest.mark.long, covers(*_SHOWN, loader="GRUB", file_system="btrfs"))
        ),
    ],
)
def test_every_setting_holds_with_grub(root: str, published: Path, tmp_path: Path) -> None:
    described = variant(tmp_path, boot="ext4", root=root)
    # What the file takes out, and turns off.
    text = described.read_text().replace(
        "      - rpm\n", "      - rpm\n      - lsof\n      - logrotate\n"
    )
    described.write_text(text)
    run_dockyard("lock", described, "--progress", "quiet")
    image = build(described)
    holds(fitted_out(image, tmp_path, published))
