"""What a distribution's build is planned to do, and what it makes anew when something changes.

By the steps that make and check packages, which need no tools.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_distro import BASE, DISTRO, Small, names

from dockyard.cli.plan import as_text
from dockyard.distro.build import PlannedDistro
from dockyard.distro.keys import signing_key
from dockyard.engine import events
from dockyard.engine.code import closure
from dockyard.engine.plan import Action, Plan, in_order, make_plan
from dockyard.engine.run import run_plan
from dockyard.engine.work import Work, call
from dockyard.errors import DockyardError
from dockyard.host.removal import remove_tree


@pytest.fixture
def small(tmp_path: Path, namespace: None) -> Small:
    return Small.make(tmp_path)


def _unsigned(small: Small) -> tuple[PlannedDistro, Plan]:
    """The plan of all that is the same for every signer."""
    planned, store = small.plan(), small.store()
    return planned, make_plan([planned.steps.check], store, store.record(planned.record_name))


def _make(small: Small, *, jobs: int = 1) -> list[str]:
    """Make and check the packages; gives the names of the steps that ran."""
    planned, plan = _unsigned(small)
    seen: list[events.Event] = []
    run_plan(plan, small.store(), seen.append, jobs=jobs)
    small.store().keep_record(planned.record_name, plan.record)
    ran = {each.step for each in seen if isinstance(each, events.StepFinished)}
    return names(step for step in plan.to_run if step.id in ran)


def _codes(small: Small, *, jobs: int = 1) -> list[str]:
    with pytest.raises(DockyardError) as caught:
        _make(small, jobs=jobs)
    return sorted(problem.code for problem in caught.value.problems)


def test_a_plan_names_every_step_and_changes_nothing(small: Small) -> None:
    planned = small.plan()
    assert names(planned.plan.to_run) == [
        "check",
        "convert-library",
        "convert-tool",
        "fetch",
        "own-base",
        "relations",
        "relations-library",
        "relations-tool",
        "repository",
        "sign-base",
        "sign-library",
        "sign-tool",
        "tools",
    ]
    assert {each.reason for each in planned.plan.decisions} == {"it has not been made before"}
    assert not small.keys().exists()
    assert not any((small.store().root / "results").iterdir())


def test_nothing_is_checked_that_nobody_asked_to_check(small: Small) -> None:
    planned = small.plan(check=False)
    assert "check" not in names(planned.plan.to_run)


def test_what_is_made_is_there_for_every_signer(small: Small) -> None:
    assert len(_make(small)) == 8
    signing_key("small", "Small", small.keys())
    first = small.plan()
    signing_key("small", "Small", small.keys("other"))
    signed = {"sign-base", "sign-library", "sign-tool", "repository"}
    assert set(names(first.plan.to_run)) == signed | {"tools"}
    other = small.plan("other")
    assert other.steps.check.id == first.steps.check.id
    assert other.steps.repository.id != first.steps.repository.id


def test_a_comment_changes_nothing(small: Small) -> None:
    _make(small)
    for file in ("distro.yaml", "all.yaml", "base.yaml"):
        path = small.place / file
        path.write_text(f"# a comment\n{path.read_text()}# and another\n")
    assert _unsigned(small)[1].to_run == ()


@pytest.mark.parametrize(
    ("components", "ran"),
    [
        ("{tool: {requiresPre: [base], summary: New}, library: }", ["check", "convert-tool"]),
        # It only says what a build need not warn of.
        ("{tool: {requiresPre: [base], doWithout: [x]}, library: }", []),
        # The relations of all are mapped anew, and come out as they were for the library.
        (
            "{tool: {requiresPre: [base], dropRequires: [library]}, library: }",
            ["check", "convert-tool", "relations", "relations-tool"],
        ),
        (
            "{tool: {requiresPre: [base], revision: 2}, library: }",
            ["check", "convert-tool", "relations", "relations-tool"],
        ),
    ],
)
def test_what_is_declared_of_a_package_makes_that_package_anew(
    small: Small, components: str, ran: list[str]
) -> None:
    _make(small)
    small.components(f"components: {components}\n")
    took = [name for name in _make(small) if name != "relations-library"]
    assert took == ran


def test_a_moved_pin_makes_its_package_anew(small: Small) -> None:
    _make(small)
    small.deb("library", data=b"newer")
    ran = _make(small)
    assert "convert-library" in ran and "fetch" in ran and "convert-tool" not in ran
    assert not {"own-base", "sign-tool"} & set(ran)


def test_a_package_that_comes_out_as_it_was_is_not_signed_again(small: Small) -> None:
    _make(small)
    before = small.plan().steps
    # A file that the package does not have: what is made of it is what it was.
    (small.place / "distro.yaml").write_text(f"{DISTRO}drop: [/usr/share/gone]\n")
    assert set(_make(small)) == {"convert-library", "convert-tool", "own-base"}
    after, store = small.plan().steps, small.store()
    assert {step.name: store.path(step) for step in before.made} != {
        step.name: store.path(step) for step in after.made
    }
    assert before.check.id != after.check.id
    assert store.path(before.check) == store.path(after.check)


def test_reasons_say_what_was_declared_otherwise(small: Small) -> None:
    _make(small)
    small.components("components: {tool: {requiresPre: [base], summary: New}, library: }\n")
    (reason,) = [
        each.reason
        for each in _unsigned(small)[1].decisions
        if each.step.name == "convert-tool" and each.action is Action.RUN
    ]
    assert reason == "declaration.summary was added"


def test_a_plan_says_what_was_added(small: Small) -> None:
    _make(small)
    small.deb("pv")
    small.components("components: {tool: {requiresPre: [base]}, library: , pv: }\n")
    planned = small.plan().plan
    reasons = {each.step.name: each.reason for each in planned.decisions}
    assert reasons["fetch"] == "the store lacks pv"
    assert reasons["relations"] == "packages: pv was added"
    assert reasons["convert-pv"] == "it has not been made before"
    whole = as_text(_unsigned(small)[1]).splitlines()[-1]
    assert whole == (
        "at most 9 of 10 steps to run: 4 of them only where what they need does not come out "
        "as it was"
    )


def test_what_was_removed_is_fetched_when_it_is_needed(small: Small) -> None:
    _make(small)
    remove_tree(small.store().root / "blobs")
    # Nothing that runs reads it.
    assert small.plan().steps.fetch is None
    small.components("components: {tool: {requiresPre: [base], summary: New}, library: }\n")
    steps = small.plan().steps
    assert steps.fetch and [pin["name"] for pin in steps.fetch.arguments["pins"]] == ["tool"]
    assert _make(small) == ["check", "convert-tool", "fetch"]
    # Removed again: that it was fetched once does not bring it back.
    remove_tree(small.store().root / "blobs")
    (tool,) = [each for each in small.plan().steps.made if each.name == "convert-tool"]
    remove_tree(small.store().path(tool))
    planned = small.plan()
    assert "fetch" in names(planned.plan.to_run)
    (fetch,) = [each for each in planned.plan.decisions if each.step.name == "fetch"]
    assert fetch.reason.endswith("packages that it brought were removed")


def test_a_package_that_is_gone_in_the_middle_is_told(small: Small) -> None:
    _make(small)
    planned = small.plan()
    remove_tree(small.store().root / "blobs")
    (step,) = [step for step in planned.steps.made if step.name == "convert-tool"]
    relations = small.store().path(step.inputs[0])
    out = small.place.parent / "out"
    out.mkdir()
    work = Work(out, {"relations-tool": relations}, small.store().root)
    with pytest.raises(DockyardError) as caught:
        call(step.function, step.arguments, work)
    assert caught.value.problems[0].code == "fetch.removed"


def test_a_step_is_its_json_alone(small: Small) -> None:
    """Every package is made from text by whoever has the inputs, to the same bytes."""
    _make(small)
    store = small.store()
    for step in small.plan().steps.made:
        written = json.loads(json.dumps({"function": step.function, "with": step.arguments}))
        out = small.place.parent / step.name
        out.mkdir()
        results = {each.name: store.path(each) for each in step.inputs}
        call(written["function"], written["with"], Work(out, results, store.root))
        made = (out / "package.rpm").read_bytes()
        assert made == (store.path(step) / "package.rpm").read_bytes()


def test_no_secret_is_in_a_plan(small: Small) -> None:
    key = signing_key("small", "Small", small.keys())
    secret = (small.keys() / "small.pgp").read_text().split()[5]
    for step in in_order([small.plan().steps.repository]):
        text = json.dumps([step.record, step.arguments])
        assert secret not in text
        if step.kind == "sign":
            assert key.fingerprint in text and str(small.keys()) not in json.dumps(step.record)


def test_another_key_in_the_middle_is_noticed(small: Small) -> None:
    _make(small)
    signing_key("small", "Small", small.keys())
    planned = small.plan()
    remove_tree(small.keys())
    signing_key("small", "Small", small.keys())
    (step,) = [each for each in planned.plan.to_run if each.name == "sign-tool"]
    out = small.place.parent / "out"
    out.mkdir()
    made = small.store().path(step.inputs[0])
    with pytest.raises(DockyardError) as caught:
        call(step.function, step.arguments, Work(out, {"convert-tool": made}, Path("/")))
    assert caught.value.problems[0].code == "distro.bad-key"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("components", "codes"),
    [
        ("{tool: {drop: [/gone]}, library: {config: [/gone]}}", ["distro.unused-declaration"] * 2),
        ("{tool: {dropRequires: [gone]}, library: }", ["distro.unused-declaration"]),
        ("{tool: {conflicts: [library]}, library: }", ["distro.uninstallable"]),
        (
            '{tool: {files: [{path: /usr/bin/library, content: "y"}]}, library: }',
            ["distro.file-conflict"],
        ),
        (
            '{tool: {directories: [{path: /usr/bin, mode: "0700"}]}, library: }',
            ["distro.file-conflict"],
        ),
        ("{tool: {attributes: [{path: /usr/bin/tool, group: odd}]}, library: }", ["distro.unmet"]),
        ("{tool: }", ["distro.lock-stale"]),
        ("{tool: {requires: [a b]}, library: {requires: [c d]}}", ["distro.invalid"] * 2),
    ],
)
def test_what_is_refused(small: Small, components: str, codes: list[str], jobs: int) -> None:
    small.components(f"components: {components}\n")
    assert _codes(small, jobs=jobs) == codes


def test_what_an_own_package_declares_wrongly_is_told_with_the_rest(small: Small) -> None:
    (small.place / "base.yaml").write_text(f"{BASE}provides: [a b]\n")
    small.components("components: {tool: {requires: [a b]}, library: }\n")
    assert _codes(small) == ["distro.invalid"] * 2


def test_a_lock_of_other_suites_is_refused(small: Small) -> None:
    (small.place / "distro.yaml").write_text(DISTRO.replace("trixie", "sid"))
    assert _codes(small) == ["distro.lock-stale"]


def test_packages_that_exclude_each_other_may_share_paths(small: Small) -> None:
    small.components(
        "components: {tool: {dropRequires: [library], conflicts: [library],"
        ' files: [{path: /usr/bin/library, content: "y"}]}, library: }\n'
    )
    assert "check" in _make(small)


def test_a_distribution_that_imports_nothing_has_no_relations_to_map(small: Small) -> None:
    own = DISTRO.replace("components: [all.yaml]\n", "")
    (small.place / "distro.yaml").write_text(
        own.replace("upstream: {debian: {suites: [{name: trixie}]}}\n", "")
    )
    assert _make(small) == ["check", "own-base"]


@pytest.mark.parametrize("module", ["convert", "own", "signing", "repository", "check", "mapping"])
def test_what_plans_and_shows_is_no_part_of_what_is_made(module: str) -> None:
    code = closure(f"dockyard.distro.{module}")
    others = ("cli", "engine.run", "engine.step", "distro.steps", "distro.load", "distro.build")
    assert not [name for name in code if name.removeprefix("dockyard.").startswith(others)]
    assert "dockyard.distro.arguments" in code
