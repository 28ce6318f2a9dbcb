"""A matrix is built at once: what its images share is made once, and each is what it is alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run_dockyard

ROOT = Path(__file__).parents[2]


@pytest.mark.build
def test_images_of_a_matrix_are_those_that_are_built_alone(published: Path, tmp_path: Path) -> None:
    text = (ROOT / "examples/matrix/image.yaml").read_text()
    text = text.replace("../../distros/", f"{ROOT}/distros/").replace("../../build/", "")
    text = text.replace("    filesystem: [ext4, xfs]", "    filesystem: [ext4]")
    text = text.replace("    format: [raw, qcow2, vhdx]", "    format: [raw, qcow2]")
    file = tmp_path / "image.yaml"
    file.write_text(text)
    run_dockyard("lock", file)
    assert sorted(path.name for path in tmp_path.glob("*.lock")) == [
        "image.debug.lock",
        "image.plain.lock",
    ]
    plan = json.loads(run_dockyard("plan", file, "--json").stdout)["result"]["images"]
    assert [each["name"] for each in plan] == [
        "node-ext4-raw-plain", "node-ext4-raw-debug", "node-ext4-qcow2-plain",
        "node-ext4-qcow2-debug",
    ]  # fmt: skip
    written = [
        {step["id"] for step in each["steps"] if step["title"].startswith("Write ext4")}
        for each in plan
    ]
    assert written[0] == written[2] != written[1] == written[3]
    done = json.loads(run_dockyard("build", file, "--json").stdout)["result"]["images"]
    sums = {each["name"]: each["sha256"] for each in done}
    assert len(sums) == 4 and all(each["placed"] for each in done)
    again = json.loads(run_dockyard("build", file, "--json").stdout)["result"]["images"]
    assert not any(each["changed"] or each["placed"] for each in again)
    # One by itself, in a place of its own, has the same bytes.
    alone = ("build", file, "--variant", "ext4-qcow2-debug", "--output-image-file", tmp_path / "a")
    [name, digest] = [
        json.loads(run_dockyard(*alone, "--json").stdout)["result"][key]
        for key in ("name", "sha256")
    ]
    assert sums[name] == digest
    refused = run_dockyard("build", file, "--output-image-file", tmp_path / "b", check=False)
    assert refused.status == 2 and "choose one with --variant" in " ".join(refused.stderr.split())
    file.write_text(text.replace("path: node-${{ variant }}", "path: node-${{ filesystem }}"))
    refused = run_dockyard("build", file, check=False)
    assert refused.status == 1 and refused.stderr.count("error[build.same-output]") == 2
