"""What was measured, as numbers: medians, ratios, aims, and the table of them. Nothing is run here.

Both sides of a figure are measured in turn (ours, other, ours, other, …) on a machine that others
may use too. A ratio is that of the medians; a pair's own ratio, whose sides saw much the same load,
gives the spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any


class Unit(StrEnum):
    """Which of a sample's two times a figure is about."""

    WALL = "wall"
    CPU = "CPU"


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, in seconds. cpu: user and system time of it and of all that it started."""

    wall: float
    cpu: float

    def of(self, unit: Unit) -> float:
        return self.wall if unit is Unit.WALL else self.cpu


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be reached: `limit` seconds of ours, or times the other; below it, or just it."""

    limit: float
    times_other: bool = False

    def __str__(self) -> str:
        if not self.times_other:
            return f"≤ {self.limit:g} s"
        return f"≤ {self.limit:g} ×" if self.limit >= 1 else f"≤ 1/{1 / self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison. other: empty where there is none."""

    what: str
    against: str
    unit: Unit
    ours: tuple[Sample, ...]
    other: tuple[Sample, ...] = ()
    aim: Aim | None = None

    @property
    def median_ours(self) -> float:
        return median(sample.of(self.unit) for sample in self.ours)

    @property
    def median_other(self) -> float | None:
        return median(sample.of(self.unit) for sample in self.other) if self.other else None

    @property
    def ratio(self) -> float | None:
        """The median of ours in medians of the other."""
        other = self.median_other
        return self.median_ours / other if other else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The smallest and the largest ratio of a pair of runs."""
        pairs = [
            ours.of(self.unit) / other.of(self.unit)
            for ours, other in zip(self.ours, self.other, strict=False)
            if other.of(self.unit)
        ]
        return (min(pairs), max(pairs)) if pairs else None

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        found = self.ratio if self.aim.times_other else self.median_ours
        return None if found is None else found <= self.aim.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "against": self.against,
            "unit": str(self.unit),
            "medianOurs": round(self.median_ours, 3),
            "medianOther": _rounded(self.median_other),
            "ratio": _rounded(self.ratio),
            "aim": str(self.aim) if self.aim else None,
            "met": self.met,
            "ours": [[round(sample.wall, 6), round(sample.cpu, 6)] for sample in self.ours],
            "other": [[round(sample.wall, 6), round(sample.cpu, 6)] for sample in self.other],
        }


def compare(
    what: str,
    against: str,
    ours: Sequence[Sample],
    other: Sequence[Sample] = (),
    *,
    wall: Aim | None = None,
    cpu: Aim | None = None,
) -> tuple[Figure, Figure]:
    """The figures of one comparison: wall time, then CPU time."""
    return (
        Figure(what, against, Unit.WALL, tuple(ours), tuple(other), wall),
        Figure(what, against, Unit.CPU, tuple(ours), tuple(other), cpu),
    )


def step_medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median seconds of each step over several runs, the longest first."""
    names = dict.fromkeys(name for run in runs for name in run)
    found = {name: median(run[name] for run in runs if name in run) for name in names}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value >= 100 else f"{value:.2g} s" if value < 1 else f"{value:.1f} s"


_HEADS = ("what", "against", "time", "ours", "other", "ratio", "of pairs", "aim", "met")


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, which is legible as plain text too."""
    return aligned(_HEADS, [_row(figure) for figure in figures])


def _row(figure: Figure) -> tuple[str, ...]:
    ratio, spread = figure.ratio, figure.spread
    return (
        figure.what,
        figure.against,
        str(figure.unit),
        seconds(figure.median_ours),
        seconds(figure.median_other),
        "" if ratio is None else f"{ratio:.2f}",
        "" if spread is None else f"{spread[0]:.2f}–{spread[1]:.2f}",
        str(figure.aim) if figure.aim else "",
        {True: "yes", False: "no", None: ""}[figure.met],
    )


def step_table(steps: Mapping[str, float]) -> str:
    """The steps of a build with their share of the sum; steps run side by side, so that the sum
    is more than the build took.
    """
    whole = sum(steps.values()) or 1.0
    rows = [(name, seconds(took), f"{100 * took / whole:.0f} %") for name, took in steps.items()]
    return aligned(("step", "wall", "share"), rows)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of even width."""
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join((line(heads), rule, *map(line, rows)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
