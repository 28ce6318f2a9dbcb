"""The command line of the benchmarks: runs the cases, prints their figures, writes them as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import cases
from benchmarks.against_image_customizer import against_image_customizer
from benchmarks.against_mkosi import against_mkosi, debian_against_mkosi
from benchmarks.cases import Cold
from benchmarks.customizing import customizing
from benchmarks.figures import Figure, seconds, step_table, table
from benchmarks.inputs import Inputs
from dockyard.engine.store import default_root

CASES = (
    *("unchanged", "one-file", "one-package", "cold", "second", "matrix", "customizing"),
    *("image-customizer", "mkosi", "mkosi-debian"),
)
_RUNS, _QUICK = 5, 3
_RUNS_OF_MKOSI, _QUICK_OF_MKOSI = 3, 1
_ROOM = 8 << 30

Case = Callable[[], Iterator[Figure]]


def main() -> None:
    told = _arguments()
    inputs = Inputs(told.directory.absolute() / "inputs", told.store.absolute())
    builds = Cold()
    runs = told.runs or (_QUICK if told.quick else _RUNS)
    few = told.runs or (_QUICK_OF_MKOSI if told.quick else _RUNS_OF_MKOSI)
    mkosi = told.directory.absolute() / "mkosi"
    known: dict[str, Case] = {
        "unchanged": lambda: cases.unchanged(inputs, runs),
        "one-file": lambda: cases.one_file(inputs, runs),
        "one-package": lambda: cases.one_package(inputs, runs),
        "second": lambda: cases.second(inputs, runs),
        "cold": lambda: cases.cold(inputs, runs, builds),
        "matrix": lambda: cases.matrix(inputs, runs),
        "customizing": lambda: customizing(inputs, runs),
        "image-customizer": lambda: against_image_customizer(inputs, few, told.image_customizer),
        "mkosi": lambda: against_mkosi(inputs, few, builds, mkosi),
        "mkosi-debian": lambda: debian_against_mkosi(inputs, few, builds, mkosi),
    }
    chosen = [name for name in CASES if name in (told.only or CASES)]
    if told.without_mkosi and any("mkosi" in name for name in chosen):
        chosen = [name for name in chosen if "mkosi" not in name]
        _say("without mkosi: Dockyard is compared with its own floor only")
    if told.image_customizer is None and "image-customizer" in chosen:
        chosen.remove("image-customizer")
        _say("without Image Customizer: --image-customizer says where its program is")
    loads = [os.getloadavg()[0]]
    _say(f"preparing in {inputs.root}")
    inputs.prepare()
    figures: list[Figure] = []
    for name in chosen:
        _say(f"measuring: {name}, load {os.getloadavg()[0]:.1f}")
        for figure in known[name]():
            figures.append(figure)
            _say(f"  {figure.what}, {figure.unit}: {seconds(figure.median_ours)}")
        loads.append(os.getloadavg()[0])
    _print(figures, builds, loads)
    if told.json:
        told.json.write_text(json.dumps(_as_json(figures, builds, loads), indent=1) + "\n")
    if not told.keep:
        inputs.remove(inputs.root)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs of each")
    parser.add_argument("--runs", type=int, help=f"runs of each (default {_RUNS}; mkosi: 3)")
    parser.add_argument("--without-mkosi", action="store_true", help="leave the comparison out")
    parser.add_argument("--image-customizer", type=Path, metavar="PROGRAM", help="compare with it")
    parser.add_argument("--only", nargs="+", choices=CASES, help="only these cases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--store", type=Path, default=default_root(), help="with Harbor in it")
    place = _place() / f"dockyard-benchmarks-{os.getuid()}"
    parser.add_argument("--directory", type=Path, default=place, help=f"to work in ({place})")
    parser.add_argument("--keep", action="store_true", help="leave what was made in the directory")
    return parser.parse_args()


def _place() -> Path:
    """Memory, where there is enough: a disk's speed, and what was deleted on it, do not matter."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM:
        return memory
    return Path(os.environ.get("TMPDIR", "/tmp"))


def _print(figures: list[Figure], builds: Cold, loads: list[float]) -> None:
    print(f"\n{platform.python_implementation()} {platform.python_version()}", end=", ")
    print(f"{os.cpu_count()} processors, load {min(loads):.1f} to {max(loads):.1f}\n")
    print(table(figures))
    if builds.steps:
        print(f"\nWhere a cold build spends its time (median of {len(builds.steps)}):\n")
        print(step_table(builds.step_medians))
    print(*builds.notes, sep="\n")


def _as_json(figures: list[Figure], builds: Cold, loads: list[float]) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "loads": loads,
        "figures": [figure.as_json() for figure in figures],
        "notes": builds.notes,
        "stepsOfColdBuild": builds.step_medians,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
