"""The store of a real image: listed, explained, verified, carried to another one, and emptied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import EXAMPLES, fresh_store, run_dockyard
from test_damage import digest, flip

from dockyard.cli.options import origins_of
from dockyard.config import load_image
from dockyard.engine.plan import in_order
from dockyard.engine.remote import step_text
from dockyard.engine.store import Store
from dockyard.pipeline.build import plan_image

sys.path.append(str(Path(__file__).parents[1]))
from conftest import user_inside

IMAGE = EXAMPLES / "minimal/image.yaml"
RUN_STEP = "from dockyard.engine.remote import main; main()"
CARRIED = ("settings", "root", "filesystem-root")


def run_by_another_process(text: str, store: Path) -> str:
    """Run a step from its text alone; gives the key of its result."""
    command = [sys.executable, "-c", RUN_STEP, str(store)]
    done = subprocess.run(
        command, input=text, text=True, capture_output=True, user=user_inside(), cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.build
def test_a_step_runs_elsewhere_from_its_text_and_its_result_comes_back(
    published: Path, tmp_path: Path
) -> None:
    here, there, empty = (fresh_store(published, tmp_path, n) for n in ("here", "there", "empty"))
    out, file = tmp_path / "out.raw", tmp_path / "results"
    run_dockyard("build", IMAGE, "--store", here, "--output-image-file", out)
    first, kept = digest(out), Store(here)
    planned = plan_image(load_image(IMAGE), kept, origins_of((), ()))
    steps = {each.name: each for each in in_order(planned.steps.goals)}
    for name in CARRIED:
        step = steps[name]
        # What it reads goes there as a stream, but for what is there already.
        other = Store(there)
        needed = {kept.path(each).name for each in step.needs if not other.has(each)}
        if needed:
            run_dockyard("store", "export", *needed, "--store", here, "--output", file)
            run_dockyard("store", "import", file, "--store", there)
        key = run_by_another_process(step_text(step, kept), there)
        assert key == kept.answer(step)
        assert Store(there).content(key) == kept.content(key)
    made = [Store(there).path(steps[name]).name for name in CARRIED]
    # And from there into an empty store, in which the image is built of what came.
    packages = kept.path(steps["packages"]).name
    run_dockyard("store", "export", *made, packages, "--store", there, "--output", file)
    answer = run_dockyard("store", "import", file, "--store", empty, "--json").json
    assert sorted(answer["new"]) == sorted([*made, packages])
    for each in made:
        assert Store(empty).content(each) == kept.content(each)
    out.unlink()
    ran = run_dockyard("build", IMAGE, "--store", empty, "--output-image-file", out)
    assert digest(out) == first
    assert "Write ext4" not in ran.stderr and "Write vfat" in ran.stderr


@pytest.mark.build
def test_what_is_damaged_is_told_removed_and_made_again(published: Path, tmp_path: Path) -> None:
    store, out = fresh_store(published, tmp_path, "store"), tmp_path / "out.raw"

    def run(*words: str | Path, check: bool = True) -> dict[str, object]:
        result = run_dockyard(*words, "--store", store, "--json", check=check).json
        assert isinstance(result, dict)
        return result

    def build() -> dict[str, object]:
        return run("build", IMAGE, "--output-image-file", out)

    build()
    first = digest(out)
    listed = run("store", "list")["results"]
    assert isinstance(listed, list)
    assert all(each["for"] for each in listed if each["kind"] != "tools")
    root = next(each for each in listed if each["name"] == "filesystem-root")
    assert root["for"] == ["minimal"] and root["size"] > 1 << 20
    why = run("store", "why", root["key"][:20])
    assert why["madeOf"] and why["readers"] == [] and why["prune"] == ""
    assert run("store", "verify")["damaged"] == []
    flip(store / "results" / root["key"] / "filesystem")
    failed = run("store", "verify", check=False)["damaged"]
    assert isinstance(failed, list)
    assert [(each["name"], each["for"]) for each in failed] == [(root["key"], ["minimal"])]
    assert not (store / "results" / root["key"]).exists()
    out.unlink()
    assert build()["changed"] and digest(out) == first

    # Kept, it stays; released, it goes, and comes back the same.
    run("store", "keep", IMAGE)
    assert run("store", "prune", "--all")["results"] == []
    run("store", "release", "minimal")
    run("store", "prune", "--all")
    left = [each["kind"] for each in run("store", "list")["results"]]  # type: ignore[attr-defined]
    assert set(left) <= {"tools"}  # which are another store's
    out.unlink()
    assert build()["changed"] and digest(out) == first


@pytest.mark.build
def test_a_build_gives_up_the_oldest_above_the_limit_and_says_so(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, image = fresh_store(published, tmp_path, "store"), tmp_path / "image.yaml"
    text = IMAGE.read_text().replace("../../distros", str(EXAMPLES.parent / "distros"))
    (tmp_path / "image.lock").write_bytes(IMAGE.with_suffix(".lock").read_bytes())

    def build(hostname: str) -> tuple[str, str]:
        image.write_text(text.replace("hostname: minimal", f"hostname: {hostname}"))
        ran = run_dockyard(
            "build", image, "--store", store, "--output-image-file", tmp_path / "out.raw"
        )
        return ran.stdout, ran.stderr

    assert "to stay below" not in build("first")[0]
    before = {path.name for path in (store / "results").iterdir()}
    for path in (store / "answers").iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setenv("DOCKYARD_STORE_LIMIT", "1M")
    said = build("second")[0]
    assert "least recently used results removed, to stay below its limit" in said
    left = {path.name for path in (store / "results").iterdir()}
    # All that the second needs is there, and nothing of what only the first did.
    assert "unchanged" in build("second")[0]
    assert before - left and not any(name.startswith("manifest-") for name in before & left)
    kinds = [name.rpartition("-")[0] for name in left]
    assert kinds.count("manifest") == 1 and "packages" in kinds
    assert json.loads(run_dockyard("plan", image, "--store", store, "--json").stdout)["ok"]
