"""Images in registries are customized as files are, and by what they are, not by what they were
called.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import EXAMPLES, run_dockyard

from features import covers

sys.path.append(str(Path(__file__).parents[1] / "packages/oci"))
from small_registry import registry

from dockyard.host.files import digest as digest_of

BASE = EXAMPLES / "create/config.yaml"


@covers("input.image.oci")
@pytest.mark.build
def test_an_image_of_a_registry_is_customized(published: Path, tmp_path: Path) -> None:
    base, local, out = (tmp_path / name for name in ("base.qcow2", "local.raw", "out.raw"))
    words = ("--output-image-format", "qcow2", "--output-image-file", base)
    rpms = ("--rpm-source", published / "repositories/harbor")
    run_dockyard("create", "--config-file", BASE, *rpms, *words, "--progress", "quiet")
    config = tmp_path / "config.yaml"
    config.write_text("os: {hostname: changed}\n")
    given = ("customize", "--config-file", config, "--progress", "quiet", "--json")
    run_dockyard(*given, "--image-file", base, "--output-image-file", local)
    with registry() as small:
        digest = small.artefact({"base.qcow2": base.read_bytes()}, "1.0")
        named = f"{small.host}/os/minimal"
        cache = ("--image-cache-dir", tmp_path / "cache", "--output-image-file", out)
        done = run_dockyard(*given, "--image", f"oci:{named}:1.0", *cache)
        told = json.loads(done.stdout)
        assert [each["code"] for each in told["remarks"]] == ["image.fetched"]
        assert f"{named}:1.0 is {digest}" in told["remarks"][0]["what"]
        assert f"{named}@{digest}" in told["remarks"][0]["fix"]
        assert digest_of(out) == digest_of(local)
        # The tag means another image later; what was fetched is there by its digest.
        small.artefact({"notes.txt": b"no disk"}, "1.0")
        failed = run_dockyard(*given, "--image", f"oci:{named}:1.0", *cache, check=False)
        assert [each["code"] for each in json.loads(failed.stdout)["problems"]] == ["oci.no-disk"]
        asked = len(small.requests)
        config.write_text(f"input: {{image: {{oci: '{named}@{digest}'}}}}\nos: {{hostname: b}}\n")
        again = run_dockyard(*given, *cache)
        assert again.json["changed"] and len(small.requests) == asked
    # Nothing is fetched before the whole input is right.
    missing = "os: {additionalFiles: [{source: missing, destination: /etc/x}]}\n"
    config.write_text(f"input: {{image: {{oci: {named}:2}}}}\n{missing}")
    failed = run_dockyard(*given, *cache, check=False)
    codes = [each["code"] for each in json.loads(failed.stdout)["problems"]]
    assert "config.file-missing" in codes and not any(code.startswith("oci") for code in codes)
