"""The benchmarks' arithmetic, and that nothing that ran goes uncounted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Aim, Sample, Unit  # noqa: E402

from benchmarks import figures  # noqa: E402


def samples(*walls: float, cpu: float = 0.5) -> tuple[Sample, ...]:
    return tuple(Sample(wall, cpu * wall) for wall in walls)


def test_figure_compares_medians_not_means() -> None:
    wall, cpu = figures.compare("a", "b", samples(1.0, 2.0, 30.0), samples(4.0, 4.0, 4.0))
    assert (wall.unit, wall.median_ours, wall.median_other, wall.ratio) == (Unit.WALL, 2, 4, 0.5)
    assert (cpu.unit, cpu.median_ours, cpu.ratio) == (Unit.CPU, 1, 0.5)


def test_spread_is_that_of_pairs() -> None:
    wall, _ = figures.compare("a", "b", samples(1.0, 6.0, 3.0), samples(1.0, 3.0, 2.0))
    assert wall.spread == (1.0, 2.0)


def test_aims() -> None:
    slow, quick = samples(3.0), samples(1.0)

    def met(ours: tuple[Sample, ...], other: tuple[Sample, ...], aim: Aim | None) -> bool | None:
        return figures.compare("a", "b", ours, other, wall=aim)[0].met

    assert met(slow, quick, Aim(2.0, times_other=True)) is False
    assert met(slow, quick, Aim(3.0, times_other=True)) is True
    assert met(quick, slow, Aim(0.2, times_other=True)) is False
    assert met(slow, (), Aim(2.0)) is False
    assert met(quick, (), Aim(2.0)) is True
    assert met(quick, (), Aim(2.0, times_other=True)) is None
    assert met(quick, slow, None) is None


def test_aim_in_words() -> None:
    assert str(Aim(1.0)) == "≤ 1 s"
    assert str(Aim(1.5, times_other=True)) == "≤ 1.5 ×"
    assert str(Aim(0.2, times_other=True)) == "≤ 1/5"


def test_table() -> None:
    found = figures.compare(
        "cold build", "mkosi", samples(10.0), samples(100.0), wall=Aim(0.2, times_other=True)
    )
    lines = figures.table(found).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "cold build", "mkosi", "wall", "10.0 s", "100 s", "0.10", "0.10–0.10", "≤ 1/5", "yes",
    ]  # fmt: skip
    assert [cell.strip() for cell in lines[3].strip("|").split("|")][-2:] == ["", ""]


def test_json_has_every_sample() -> None:
    wall, _ = figures.compare("a", "", samples(1.0, 2.0, cpu=2.0))
    told = json.loads(json.dumps(wall.as_json()))
    assert told["ours"] == [[1.0, 2.0], [2.0, 4.0]]
    assert (told["medianOurs"], told["ratio"], told["met"]) == (1.5, None, None)


def test_steps_by_length() -> None:
    found = figures.step_medians([{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 7.0}, {"b": 6.0}])
    assert list(found.items()) == [("b", 6.0), ("a", 2.0)]
    assert figures.step_table(found).splitlines()[2].split("|")[3].strip() == "75 %"


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python that may measure: apart, for it adopts and awaits what is orphaned."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    whole = f"import sys; from benchmarks import measure; {code}"
    return subprocess.run([sys.executable, "-c", whole], env=env, capture_output=True, text=True)


def test_orphans_count() -> None:
    """What a command leaves behind when it ends is waited for, and its CPU time counted."""
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {spin!r}])"
    done = run(f"print(measure.command([sys.executable, '-c', {leave!r}]).sample.cpu)")
    assert float(done.stdout) >= 0.3


def test_failure_shows_the_end_of_the_output() -> None:
    fail = "import sys; print('no such luck'); sys.exit(3)"
    done = run(f"measure.command([sys.executable, '-c', {fail!r}])")
    assert done.returncode == 1
    assert done.stderr.endswith("failed with status 3:\nno such luck\n")
