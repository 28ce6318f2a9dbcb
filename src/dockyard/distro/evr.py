"""Debian's versions as RPM's: epoch, version and release.

The epoch stays, the upstream version has `.` for `-`, the revision is the release, or 0 where there
is none: without a release rpm matches all releases, and `> 2.41` would never hold for 2.41-12.
"""

from __future__ import annotations


def rpm_evr(version: str) -> tuple[int, str, str]:
    """Epoch, version and release of a Debian version."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch), upstream.replace("-", ".").replace(":", "."), revision


def evr_text(version: str) -> str:
    """`[epoch:]version-release` of a Debian version; epoch 0 is left out."""
    epoch, upstream, revision = rpm_evr(version)
    return f"{epoch}:{upstream}-{revision}" if epoch else f"{upstream}-{revision}"
