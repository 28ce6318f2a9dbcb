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
_TIME, _MEMORY = 60, 3 << 30  # seconds that libFuzzer waits, bytes that a run may have


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
            words = [sys.executable, str(_ROOT / "fuzz/run"), *sys.argv[1:], "--inside", folder]
            status = subprocess.run(words).returncode
        if given.target and not given.again:
            print(json.dumps(json.loads((KEPT / f"{given.target}.json").read_text()), indent=1))
        sys.exit(status)
    _inside(given)


def _inside(given: argparse.Namespace) -> None:
    import resource

    import atheris

    with atheris.instrument_imports(include=["dockyard"]):
        from fuzz import disks, filesystems, texts
    every = (*texts.targets(), *disks.targets(), *filesystems.targets())
    known = {each.name: each for each in every}
    if given.target is None:
        print(*known, sep="\n")
        return
    target = known[given.target]
    if target.name in filesystems.SIZES:
        filesystems.make_images()
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
