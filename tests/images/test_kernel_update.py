"""A newer kernel comes as a package to an image that exists, and the image boots it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import EXAMPLES, ROOT, run_dockyard

from dockyard.packages.deb.pins import open_suites
from dockyard.packages.deb.suite import Suite
from dockyard.packages.origins import Origins
from features import covers
from stores import share

pytestmark = [pytest.mark.boot, pytest.mark.long]
QUIET = ("--progress", "quiet")
KINDS = ("tools", "relations", "select", "convert", "own", "sign")
FOLLOWED = "    follows: linux-image-cloud-amd64\n    import: linux-image-{abi}\n"


@dataclass(frozen=True)
class Harbor:
    """Harbor with one kernel. abi: its version, as uname(1) has it."""

    distro: Path
    store: Path
    abi: str

    @property
    def words(self) -> tuple[str | Path, ...]:
        return ("--store", self.store, *QUIET)


def _version(abi: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", abi)]


@pytest.fixture(scope="module")
def harbors(published: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Harbor]:
    """Harbor as it is, and with another kernel that its suite has; the older kernel first."""
    lock = (ROOT / "distros/harbor/distro.lock").read_text()
    (current,) = set(re.findall(r'"linux-image-(\d[^"]*-cloud-amd64)"', lock))
    index, _ = open_suites([Suite("trixie")], published, Origins.of_host(os.environ))
    found = {each.name for each in index.pool.solvables}
    known = {each.removeprefix("linux-image-") for each in found
             if re.fullmatch(r"linux-image-\d[^-]*-cloud-amd64", each)}  # fmt: skip
    if not (others := known - {current}):
        pytest.skip("the archive has one kernel")
    other = max(others, key=_version)
    place = tmp_path_factory.mktemp("harbor")
    shutil.copytree(ROOT / "distros/harbor", place / "harbor")
    components = place / "harbor/components/boot.yaml"
    text = components.read_text()
    own, mark, others_of = text.partition("  kernel-aarch64:\n")
    assert own.count(FOLLOWED) == 1 and mark
    own = own.replace(FOLLOWED, f"    import: linux-image-{other}\n").replace("{abi}", other)
    components.write_text(own + mark + others_of)
    store = share(place / "store", published, "blobs", "metadata", kinds=KINDS)
    run_dockyard("distro", "lock", place / "harbor", "--refresh-missing", "--store", store)
    run_dockyard("distro", "build", place / "harbor", "--store", store, *QUIET)
    both = [
        Harbor(ROOT / "distros/harbor", published, current),
        Harbor(place / "harbor", store, other),
    ]
    return sorted(both, key=lambda each: _version(each.abi))


@covers("os.packages, update", "os.kernelCommandLine")
@pytest.mark.parametrize(
    "example",
    ["minimal", pytest.param("grub", marks=covers("os.packages, update", loader="GRUB"))],
)
def test_the_newer_kernel_boots(example: str, harbors: list[Harbor], tmp_path: Path) -> None:
    older, newer = harbors
    image, base, out = (tmp_path / name for name in ("image.yaml", "base.raw", "out.raw"))
    text = (EXAMPLES / example / "image.yaml").read_text()
    image.write_text(text.replace("../../distros/harbor", str(older.distro)))
    run_dockyard("lock", image, *older.words)
    written = ("--output-image-file", base, "--output-image-format", "raw")
    run_dockyard("build", image, *written, *older.words)
    config = tmp_path / "config.yaml"
    config.write_text(f"""\
distro: {newer.distro}
os:
  packages: {{update: [kernel]}}
  kernelCommandLine: {{extraCommandLine: [dockyard.new=1]}}
checks:
  - {{name: the newer kernel runs, command: uname -r, output: "{newer.abi}"}}
  - {{name: it has its modules, command: "modprobe dummy && grep -w dummy /proc/modules"}}
""")
    given = ("--config-file", config, "--image-file", base, "--disable-base-image-rpm-repos")
    run_dockyard("customize", *given, "--output-image-file", out, *newer.words)
    told = run_dockyard("inspect", out, "--json").json["boot"]
    assert {each["kernel"] for each in told["entries"]} == {older.abi, newer.abi}
    words = ("--check", "--timeout", "600", "--json", "--store", newer.store)
    verdict = run_dockyard("boot", out, *given, *words, check=False).json
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert (verdict["systemState"], verdict["failedUnits"]) == ("running", [])
