"""`dockyard doctor`: try what a build needs of this host, and say how to fix what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dockyard.cli import terminal
from dockyard.cli.answer import Answer
from dockyard.cli.options import store_option
from dockyard.cli.verb import Verb

if TYPE_CHECKING:
    from dockyard.host.doctor import Finding


@click.command(cls=Verb)
@store_option
def command(store: Path) -> Answer:
    """Check this host, and say how to fix what is missing.

    Everything is tried rather than looked up. The exit status is 1 only when something is missing
    without which Dockyard cannot work.
    """
    import dataclasses

    from dockyard.host.doctor import State, examine

    findings = [*examine(store), acceleration(store)]
    fit = all(finding.state is not State.MISSING for finding in findings)
    rows = [dataclasses.asdict(finding) for finding in findings]
    return Answer(as_text(findings), {"findings": rows}, passed=fit)


def acceleration(store: Path) -> Finding:
    """Whether guests run on the host's processor, by starting one; a matter of speed alone."""
    from dockyard.host.doctor import Finding, State
    from dockyard.tools.trees import load_tools_lock, tools_ready, tools_tree
    from dockyard.vm.accel import KVM, probe
    from dockyard.vm.qemu import Accel

    if not tools_ready(store, load_tools_lock().packages):
        found = "not tried: the tools are not ready"
        advice = "Run `dockyard tools fetch`, or build an image, and look again."
        return Finding("kvm", State.NOTE, found, advice)
    verdict = probe(tools_tree(store).main)
    if verdict.accel is Accel.KVM:
        return Finding("kvm", State.OK, "a guest ran on the host's processor")
    advice = (
        "Images boot by translation, ten times slower, which suffices for checks. For KVM, the "
        f"user must be able to write to {KVM} (usermod --append --groups kvm USER), and a virtual "
        "machine must be given nested virtualisation by its own host."
    )
    return Finding("kvm", State.NOTE, verdict.why, advice)


def as_text(findings: list[Finding]) -> str:
    """Findings for a person: a line each, and how to fix it where there is something to fix."""
    import textwrap

    from dockyard.host.doctor import State

    marks = {State.OK: ("✓", "green"), State.NOTE: ("!", "yellow"), State.MISSING: ("✗", "red")}
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark, colour = marks[finding.state]
        lines.append(f"{click.style(mark, fg=colour)} {finding.name.ljust(width)}  {finding.found}")
        lines += textwrap.wrap(
            finding.advice,
            terminal.width(),
            initial_indent=" " * (width + 4),
            subsequent_indent=" " * (width + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
    missing = sum(finding.state is State.MISSING for finding in findings)
    lines.append(
        click.style(f"{missing} missing: Dockyard cannot work here yet", fg="red")
        if missing
        else "This host can build images."
    )
    return "\n".join(lines)
