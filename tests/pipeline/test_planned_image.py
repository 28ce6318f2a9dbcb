"""A whole image is planned in milliseconds, from packages that the test makes: what runs, what is
reused, and why.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest

from desk import IMAGE, Desk
from dockyard.engine.codec import decode
from dockyard.engine.plan import Action, Plan, in_order
from dockyard.errors import DockyardError
from dockyard.keeping.inventory import take_inventory
from dockyard.pipeline.artefact import image_id
from dockyard.pipeline.build import note_plan

sys.path += [
    str(Path(__file__).parents[1] / "packages"),
    str(Path(__file__).parents[2] / "scripts"),
]
from draw_architecture import ARROWS, STEPS
from rpm_repositories import add_rpm

BOOT = ("initrd", "uki", "filesystem-esp")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def runs(plan: Plan) -> list[str]:
    return [step.name for step in plan.to_run]


def reasons(plan: Plan) -> dict[str, str]:
    return {each.step.name: each.reason for each in plan.decisions if each.action is Action.RUN}


def test_a_first_plan_runs_all_and_the_next_nothing(desk: Desk) -> None:
    planned = desk.plan()
    assert {*runs(planned.plan)} >= {
        *("tools", "packages", "settings", "root", *BOOT),
        *("filesystem-root", "swap-swap", "manifest"),
    }
    assert set(reasons(planned.plan).values()) == {"it has not been made before"}
    desk.pretend(planned)
    assert desk.plan().plan.to_run == ()


def test_what_a_check_of_the_booted_image_makes_is_the_images(desk: Desk) -> None:
    planned = desk.plan()
    note_plan(planned, desk.store)
    desk.pretend(planned)
    note_plan(planned, desk.store)
    found = take_inventory(desk.store)
    key = desk.store.path(planned.steps.expected).name
    assert [each.name for each in found.owners[key]] == ["web"]
    assert desk.plan().plan.to_run == ()


def test_an_unknown_format_says_nothing_of_disks(desk: Desk) -> None:
    desk.write("name: web\ndistro: distro.yaml\nos: {packages: {install: [bash]}}\n")
    with pytest.raises(DockyardError) as caught:
        desk.plan("tar.zst")
    (problem,) = caught.value.problems
    assert problem.code == "formats.unknown"
    assert problem.fix.startswith("did you mean tar-zst? Else use one of: ")


def test_every_function_is_there_and_takes_the_arguments_that_it_gets(desk: Desk) -> None:
    planned = desk.plan("qcow2")
    for step in in_order((*planned.steps.goals, *planned.steps.proofs)):
        place, _, name = step.function.partition(":")
        module = import_module(place)
        _, wanted, *_ = inspect.signature(getattr(module, name), eval_str=False).parameters.values()
        of = vars(module).get(wanted.annotation) or eval(wanted.annotation, vars(module))
        assert dataclasses.is_dataclass(of)
        assert isinstance(of, type)
        decode(of, step.arguments)


def test_a_file_changes_what_holds_it_and_leaves_the_boot_alone(desk: Desk) -> None:
    desk.pretend(desk.plan())
    desk.write(IMAGE.replace("content: hello", "content: bye"))
    plan = desk.plan().plan
    told = reasons(plan)
    assert told["settings"] == "file /etc/motd changed"
    assert told["root"] == "its input changed: settings; unless that comes out as it was"
    assert not {"packages", "tools", "swap-swap", *BOOT} & {*runs(plan)}
    assert {"filesystem-root", "manifest"} <= {*runs(plan)}


def test_a_file_that_may_shape_the_boot_makes_it_anew(desk: Desk) -> None:
    desk.pretend(desk.plan())
    desk.write(IMAGE + "    - {destination: /etc/modprobe.d/a.conf, content: x}\n")
    plan = desk.plan().plan
    assert {"boot-settings", "boot-root", *BOOT} <= {*runs(plan)}
    assert reasons(plan)["boot-settings"] == "it has not been made before"
    assert not {"packages", "tools"} & {*runs(plan)}


def test_another_format_is_written_from_the_parts_that_are_there(desk: Desk) -> None:
    first = desk.plan()
    desk.pretend(first)
    other = desk.plan("qcow2")
    assert other.plan.to_run == ()
    names = [image_id(each.request, each.steps, desk.store) for each in (first, other)]
    assert None not in names and names[0] != names[1]


def test_another_package_is_named(desk: Desk) -> None:
    desk.pretend(desk.plan())
    add_rpm(desk.root / "rpms", "nano", path="/usr/bin/nano")
    desk.write(IMAGE.replace("[kernel, bash]", "[kernel, bash, nano]"))
    desk.lock()
    plan = desk.plan().plan
    assert any("nano" in reason for reason in reasons(plan).values())
    assert "tools" not in runs(plan) and "packages" in runs(plan)


def test_a_lock_that_does_not_fit_stops_before_any_plan(desk: Desk) -> None:
    desk.write(IMAGE.replace("[kernel, bash]", "[kernel, bash, nano]"))
    with pytest.raises(DockyardError) as caught:
        desk.plan()
    assert caught.value.problems[0].code.startswith("lock.")


def test_plans_do_not_say_what_is_secret(desk: Desk) -> None:
    hashed = "$6$saltsalt$" + "x" * 86
    user = f"  users: [{{name: anna, password: {{type: hashed, value: '{hashed}'}}}}]\n"
    desk.write(IMAGE.replace("  hostname: web\n", f"  hostname: web\n{user}"))
    planned = desk.plan()
    assert "anna" in str(planned.plan.record)
    assert hashed not in str(planned.plan.record)
    (step,) = (each for each in planned.plan.to_run if each.name == "settings")
    assert hashed in str(step.arguments) and hashed not in str(step.identity)
    assert hashed not in repr(step)


def drawn(name: str) -> str:
    """A step's name as docs/images/build.svg has it: one for all packages, or partitions."""
    kind = name.partition("-")[0]
    if kind == "unpack":
        return "unpack-PACKAGE"
    return f"{kind}-KEY" if kind in ("filesystem", "proof", "swap") else name


def test_the_picture_of_a_build_has_its_steps(desk: Desk) -> None:
    names: set[str] = set()
    arrows: set[tuple[str, str]] = set()
    scripts = "scripts:\n"
    for key in ("postCustomization", "finalizeCustomization"):
        scripts += f"  {key}: [{{content: 'true'}}]\n"
    for text in (IMAGE, IMAGE + scripts):
        desk.write(text.replace("  hostname: web", "  hostname: web\n  modules: [{name: loop}]"))
        steps = desk.plan().steps
        assert steps.boot is not None
        for step in in_order((*steps.goals, *steps.proofs, steps.expected, steps.boot.kernel)):
            names.add(drawn(step.name))
            arrows |= {(drawn(each.name), drawn(step.name)) for each in step.needs}
    assert {box.name for box in STEPS} == names
    assert set(ARROWS) <= arrows
