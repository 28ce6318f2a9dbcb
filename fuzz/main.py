"""Runs a target for some time, and keeps what it finds."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.findings import KEPT, Findings

_ROOT = Path(__file__).parents[1]
_TIME, _MEMORY = 900, 3 << 30  # seconds of a clock that others share, bytes that a run may have


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", help="which; without one all are listed")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--again", type=Path, help="feed this one input, and stop")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is None:
        # libFuzzer ends its process without clearing up.
        with TemporaryDirectory(prefix="fuzz-") as folder:
            told = KEPT / f"{given.target}.json"
            if not given.again:
                told.unlink(missing_ok=True)
            words = [sys.executable, str(_ROOT / "fuzz/run"), *sys.argv[1:], "--inside", folder]
            status = subprocess.run(words).returncode
        if not given.again and told.exists():
            print(json.dumps(json.loads(told.read_text()), indent=1))
        sys.exit(status)
    _inside(given)


def _inside(given: argparse.Namespace) -> None:
    import resource

    import atheris

    with atheris.instrument_imports(include=["dockyard"]):
        from fuzz import disks, filesystems, packages, registries, sound_images, systems, texts
    every = (
        *texts.targets(),
        *disks.targets(),
        *packages.targets(),
        *registries.targets(),
        *systems.targets(),
        *filesystems.targets(),
    )
    known = {each.name: each for each in every}
    if given.target is None:
        print(*known, sep="\n")
        return
    target = known[given.target]
    if target.name in sound_images.KINDS:
        sound_images.make_images()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    feed = target.make(given.inside)
    if given.again:
        feed(given.again.read_bytes())
        return
    corpus = KEPT / f"corpus-{target.name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    words = [
        f"-max_total_time={round(given.minutes * 60)}",
        f"-max_len={target.longest}",
        f"-timeout={_TIME}",
        f"-rss_limit_mb={_MEMORY >> 20}",
        "-verbosity=0",
        f"-artifact_prefix={KEPT}/{target.name}-",
    ]
    atheris.Setup([sys.argv[0], *words, str(corpus)], Findings(target.name, feed))
    atheris.Fuzz()
