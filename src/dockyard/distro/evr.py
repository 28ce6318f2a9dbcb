"""Debian's versions as RPM's: epoch, version and release.

The epoch stays, the upstream version has `.` for `-`, the revision is the release, or 0 where there
is none: without a release rpm matches all releases, and `> 2.41` would never hold for 2.41-12.
A revision of ours stands behind a caret, which sorts before all that upstream may add.
"""

from __future__ import annotations


def rpm_evr(version: str, own: int = 0) -> tuple[int, str, str]:
    """Epoch, version and release of a Debian version. own: the declaration's revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    if own:
        revision += f"^{own}"
    return int(epoch), upstream.replace("-", ".").replace(":", "."), revision


def evr_text(version: str, own: int = 0) -> str:
    """`[epoch:]version-release` of a Debian version; epoch 0 is left out. own: as above."""
    epoch, upstream, revision = rpm_evr(version, own)
    return f"{epoch}:{upstream}-{revision}" if epoch else f"{upstream}-{revision}"
