"""The verdict on a booted image, for a person and for a program."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dockyard.cli import terminal
from dockyard.cli.plain import plain

if TYPE_CHECKING:
    from dockyard.tree.check import Unasked
    from dockyard.vm.verdict import CheckResult, Verdict

# Lines of one answer that are shown; of a longer one, only those that differ.
_MOST_LINES = 12


def as_text(verdict: Verdict, unasked: Sequence[Unasked] = ()) -> str:
    """A verdict for a person: what failed in full, the rest in one line each."""
    lines = []
    for result in verdict.results:
        if not result.passed:
            lines += _failure(result)
    for unit in verdict.failed_units:
        lines.append(f"{click.style('failed unit', fg='red', bold=True)} {plain(unit.name)}")
        lines += [
            f"  {click.style('│', fg='cyan')} {plain(line)}" for line in unit.status.splitlines()
        ]
    if verdict.waiting_for:
        lines.append(click.style("not up in time; still to be done:", fg="red", bold=True))
        lines += [f"  {plain(line)}" for line in verdict.waiting_for.splitlines()]
    for item in unasked:
        first, *rest = terminal.wrapped(f"not asked {item.what}: {item.why}", "  ")
        lines += [click.style("not asked", fg="yellow") + first.removeprefix("not asked"), *rest]
    lines.append(f"console: {verdict.console}")
    good = verdict.passed
    lines.append(click.style("✓ " if good else "✗ ", fg="green" if good else "red") + _sum(verdict))
    return "\n".join(lines)


def _sum(verdict: Verdict) -> str:
    """The last line: what is wrong first, or else that nothing is."""
    total = len(verdict.results)
    failed = sum(not result.passed for result in verdict.results)
    told = []
    if verdict.system_state != "running":
        units = len(verdict.failed_units)
        why = f" ({units} unit{'s'[: units != 1]} failed)" if units else ""
        told.append(f"the system is {verdict.system_state or 'in no known state'}{why}")
    if failed:
        told.append(f"{failed} of {total} checks failed")
    elif told:
        told.append(f"no check failed of {total}")
    else:
        told.append(f"{total} of {total} checks passed" if total else "no checks")
        told.append("system running")
    up = terminal.duration(verdict.boot_seconds)
    guest = terminal.duration(verdict.guest_seconds)
    return f"{'; '.join(told)}; up after {up} ({guest} by its own clock, {verdict.accel.value})"


def _failure(result: CheckResult) -> list[str]:
    check = result.check
    head = click.style("failed", fg="red", bold=True)
    lines = [f"{head} {click.style(check.title, bold=True)} [{check.id}]"]
    if check.setting:
        lines.append(f"  {click.style('where', fg='cyan')}     {check.setting}")
    expected, actual = check.expect.strip().splitlines(), result.actual.splitlines()
    if len(expected) > _MOST_LINES:
        expected, actual = _differing(expected, actual)
    for label, text in (
        ("expected", expected),
        ("actual", actual),
        ("stderr", result.errors.splitlines()),
    ):
        if label == "stderr" and not text:
            continue
        first, *rest = _capped(text) or ["(nothing)"]
        lines.append(f"  {click.style(label.ljust(8), fg='cyan')}  {first}")
        lines += [f"            {line}" for line in rest]
    return lines


def _differing(expected: list[str], actual: list[str]) -> tuple[list[str], list[str]]:
    """The lines that only one of two answers has."""
    known, told = set(expected), set(actual)
    only = [line for line in expected if line not in told]
    more = [line for line in actual if line not in known]
    if not only and not more:  # the same lines in another order, or not as often
        for line in difflib.ndiff(expected, actual):
            (only if line.startswith("- ") else more if line.startswith("+ ") else []).append(
                line[2:]
            )
    return only, more


def _capped(lines: list[str]) -> list[str]:
    shown = [plain(line) for line in lines[:_MOST_LINES]]
    left = len(lines) - len(shown)
    return [*shown, f"… and {left} more"] if left > 0 else shown


def as_facts(verdict: Verdict, unasked: Sequence[Unasked] = ()) -> dict[str, Any]:
    """A verdict for a program."""
    return {
        "passed": verdict.passed,
        "systemState": verdict.system_state,
        "bootSeconds": round(verdict.boot_seconds, 2),
        "guestSeconds": round(verdict.guest_seconds, 2),
        "totalSeconds": round(verdict.total_seconds, 2),
        "accelerator": verdict.accel.value,
        "attempts": verdict.attempts,
        "times": verdict.times,
        "failedUnits": [{"name": u.name, "status": u.status} for u in verdict.failed_units],
        "waitingFor": verdict.waiting_for,
        "console": str(verdict.console),
        "notAsked": [
            {"what": item.what, "why": item.why, "setting": str(item.setting or "") or None}
            for item in unasked
        ],
        "checks": [
            {
                "id": result.check.id,
                "title": result.check.title,
                "setting": str(result.check.setting) if result.check.setting else None,
                "passed": result.passed,
                "expected": result.check.expect.strip(),
                "actual": result.actual,
                "status": result.status,
                "errors": result.errors,
                "seconds": round(result.seconds, 3),
            }
            for result in verdict.results
        ],
    }
