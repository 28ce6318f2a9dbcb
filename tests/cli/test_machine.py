"""The options of a virtual machine make the machine that they name."""

from __future__ import annotations

from pathlib import Path

import click
from click.testing import CliRunner

from dockyard.cli.machine import WantedMachine, machine_options
from dockyard.host.sandbox import Tools
from dockyard.model.architecture import Architecture
from dockyard.vm.qemu import Accel, Forward, Machine


@click.command()
@machine_options
@click.option("--more")
@click.pass_obj
def boot(told: list[Machine], wanted: WantedMachine, more: str) -> None:
    """A verb with an option of its own."""
    assert more == "x"
    target = wanted.architecture or Architecture.X86_64
    told.append(wanted.machine(Tools(Path()), Path(), target))


def test_the_options_make_the_machine() -> None:
    told: list[Machine] = []
    words = "--more x --memory 512m --cpus 3 --cpu max --bus nvme --accel tcg --network"
    words += " --forward 2222:22 --forward 8080:80"
    done = CliRunner().invoke(boot, words.split(), obj=told, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    forwards = (Forward(2222, 22), Forward(8080, 80))
    assert told == [Machine(Accel.TCG, 512 << 20, 3, "max", "nvme", True, forwards)]


def test_a_foreign_machine_is_translated() -> None:
    told: list[Machine] = []
    words = ["--more", "x", "--architecture", "aarch64"]
    assert CliRunner().invoke(boot, words, obj=told, catch_exceptions=False).exit_code == 0
    assert told == [Machine(Accel.TCG, architecture=Architecture.AARCH64)]
    refused = CliRunner().invoke(boot, [*words, "--accel", "kvm"], obj=told)
    assert refused.exit_code == 2 and "KVM runs no aarch64 here" in refused.output
