"""Declarations: read whole, and every mistake told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.distro.load import load_distro
from dockyard.distro.lock import lock_path, made_by, suites
from dockyard.distro.scriptlets import resolve
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.architecture import Architecture
from dockyard.model.distro import Distro
from dockyard.model.scriptlets import Scriptlet
from model_data import from_data

DISTRO = """\
name: small
version: 1.10
epoch: 1767225600
upstream: {debian: {suites: [{name: trixie}]}}
components: [components/all.yaml]
packages: [packages/own.yaml]
scriptlets: scriptlets.yaml
"""
COMPONENTS = """\
components:
  bash:
  tool:
    import: [tool-a, tool-b]
    scriptlets: [hello]
"""
PACKAGE = "{name: own, version: 1, summary: Own, license: MIT}\n"
SCRIPTLETS = "scriptlets: {hello: {on: post, script: 'echo hello'}}\n"


def _write(
    directory: Path,
    distro: str = DISTRO,
    components: str = COMPONENTS,
    package: str = PACKAGE,
    scriptlets: str = SCRIPTLETS,
) -> Path:
    for name, text in (
        ("distro.yaml", distro),
        ("components/all.yaml", components),
        ("packages/own.yaml", package),
        ("scriptlets.yaml", scriptlets),
    ):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def _problems(directory: Path) -> tuple[Problem, ...]:
    with pytest.raises(DockyardError) as caught:
        load_distro(directory)
    return caught.value.problems


def test_a_whole_distribution(tmp_path: Path) -> None:
    loaded = load_distro(_write(tmp_path))
    assert (loaded.distro.version, loaded.epoch) == ("1.10", 1767225600)
    assert [(item.component, item.upstream) for item in loaded.imports()] == [
        ("bash", "bash"),
        ("tool", "tool-a"),
        ("tool", "tool-b"),
    ]
    assert [package.name for package in loaded.packages] == ["own"]
    file = str(tmp_path / "components/all.yaml")
    assert loaded.positions["tool"] == Position(file, 3, 3)


SEVERAL = DISTRO + "architectures: [aarch64, x86_64]\n"
BY_ARCHITECTURE = """\
components:
  bash:
  kernel: {import: kernel-arm, rename: kernel, architectures: [aarch64]}
  kernel-pc: {import: kernel-pc, rename: kernel, architectures: [x86_64]}
"""


def test_a_distribution_for_several_architectures_is_read_as_it_is_for_one(tmp_path: Path) -> None:
    package = """\
name: own
version: 1
summary: Own
license: MIT
directories:
  - {path: /usr/lib/pc, architectures: [x86_64]}
  - {path: /usr/lib/all}
"""
    place = _write(tmp_path, SEVERAL, BY_ARCHITECTURE, package)
    found = {each: load_distro(place, each) for each in (None, *Architecture)}
    kernels = {
        each: [item.upstream for item in loaded.imports() if item.rpm_name == "kernel"]
        for each, loaded in found.items()
    }
    pc, arm = Architecture.X86_64, Architecture.AARCH64
    assert kernels == {None: ["kernel-arm"], arm: ["kernel-arm"], pc: ["kernel-pc"]}
    paths = [[each.path for each in found[one].packages[0].directories] for one in (pc, arm)]
    assert paths == [["/usr/lib/pc", "/usr/lib/all"], ["/usr/lib/all"]]
    names = [found[one].distro.published_name for one in (None, arm, pc)]
    assert names == ["small", "small", "small-x86_64"]
    locks = [lock_path(found[one]).name for one in (None, arm, pc)]
    assert locks == ["distro.lock", "distro.lock", "distro.x86_64.lock"]
    assert {each.architecture for each in suites(found[pc])} == {pc}
    assert made_by(found[pc]) == f"dockyard distro lock --architecture x86_64 {place}"


def test_what_differs_by_architecture_leaves_nothing_in_what_is_made(tmp_path: Path) -> None:
    """So that packages for one do not change when another comes."""
    (own,) = load_distro(_write(tmp_path / "a")).packages
    package = PACKAGE.replace("}", ", architectures: [aarch64]}")
    (chosen,) = load_distro(_write(tmp_path / "b", SEVERAL, package=package)).packages
    assert chosen == own


def test_a_distribution_is_not_for_every_architecture(tmp_path: Path) -> None:
    with pytest.raises(DockyardError) as caught:
        load_distro(_write(tmp_path), Architecture.AARCH64)
    [problem] = caught.value.problems
    assert (problem.code, problem.why) == ("distro.not-for-architecture", "it is for x86_64")


def test_mistakes_of_all_files_are_told_together(tmp_path: Path) -> None:
    components = "components:\n  bash: {drops: [/a]}\n  b:\n    attributes:\n"
    components += '      - {path: usr/a, mode: "0999"}\n'
    found = _problems(_write(tmp_path, components=components, package="{name: own}\n"))
    said = [
        (str(problem.where).rpartition("/")[2], problem.code, problem.what) for problem in found
    ]
    assert said == [
        ("all.yaml:2:10", "config.unknown-key", "unknown key `drops` in `bash`"),
        (
            "all.yaml:5:16",
            "distro.path",
            "a path in the system starts with / and does not end with one",
        ),
        (
            "all.yaml:5:29",
            "config.permissions",
            "`mode` is '0999'; expected three or four octal digits",
        ),
        ("own.yaml:1:1", "config.required", "no `version`"),
        ("own.yaml:1:1", "config.required", "no `summary`"),
        ("own.yaml:1:1", "config.required", "no `license`"),
    ]
    assert all(problem.fix and problem.excerpt for problem in found)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"components": "components: {own: }\n"}, "distro.made-twice"),
        ({"components": "components: {a: {rename: b}, b: }\n"}, "distro.made-twice"),
        ({"scriptlets": "scriptlets: {}\n"}, "distro.no-scriptlet"),
        ({"package": PACKAGE.replace("}", ", architecture: amd64}")}, "distro.architecture"),
        ({"distro": DISTRO + "family: debian\n"}, "distro.family"),
        ({"distro": SEVERAL.replace("x86_64", "aarch64")}, "distro.architectures"),
        ({"distro": DISTRO.replace("epoch: 1767225600\n", "")}, "distro.no-epoch"),
        ({"distro": DISTRO.replace("1767225600", "-1")}, "distro.out-of-range"),
        ({"distro": DISTRO + "repositories: [{id: a, baseurl: b}]\n"}, "distro.kind"),
        ({"distro": "{name: a, version: 1}\n"}, "distro.kind"),
        ({"distro": DISTRO.replace("packages/own", "../own")}, "distro.file-outside"),
        ({"distro": DISTRO.replace("{name: trixie}", "")}, "distro.no-suite"),
        ({"distro": DISTRO.replace("upstream", "#")}, "distro.no-upstream"),
        ({"distro": "{name: a, version: 1, repositories: [{id: b}]}\n"}, "distro.no-source"),
        (
            {
                "distro": "{name: a, version: 1, repositories: [{id: b, baseurl: c}],\n"
                "trustedKey: {package: a, path: /a}}\n"
            },
            "distro.trusted-key",
        ),
        ({"distro": DISTRO.replace("all.yaml", "gone.yaml")}, "config.unreadable"),
        (
            {"components": "components: {a: {import: [b, c], rename: d}}\n"},
            "distro.several-packages",
        ),
        ({"components": "components: {a: {files: [{path: /a}]}}\n"}, "distro.file-content"),
        ({"components": "components: {a b: }\n"}, "distro.name"),
        ({"components": "components: {a: {links: {b: c}}}\n"}, "distro.path"),
        ({"components": "components: {a: {verifyNot: {/b: [time]}}}\n"}, "config.unknown-value"),
        ({"components": "components: {a: {config: /b}}\n"}, "config.wrong-type"),
        ({"package": PACKAGE.replace("version: 1", "version: 1-2")}, "distro.version"),
        ({"package": PACKAGE.replace("name: own, ", "")}, "config.required"),
        ({"scriptlets": "scriptlets: {hello: {on: post}}\n"}, "distro.scriptlet"),
        (
            {"scriptlets": "scriptlets: {hello: {on: fileTriggerIn, script: x}}\n"},
            "distro.scriptlet",
        ),
        (
            {"scriptlets": "scriptlets: {hello: {on: pre, script: x, paths: [/a]}}\n"},
            "distro.scriptlet",
        ),
        ({"scriptlets": "scriptlets: {hello: }\n"}, "config.required"),
        (
            {"components": "components: {a: {attributes: [{path: /a, capabilities: all}]}}\n"},
            "distro.capabilities",
        ),
        ({"package": "a: [\n"}, "config.syntax"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, str], code: str) -> None:
    assert code in {problem.code for problem in _problems(_write(tmp_path, **change))}


def test_plain_scalars_mean_what_they_look_like(tmp_path: Path) -> None:
    components = """\
components:
  a:
    files:
      - {path: /a, content: "", mode: 0640, config: true}
      - {path: /b, content: "", config: noreplace}
      - {path: /c, content: 1.10, config: false}
"""
    files = load_distro(_write(tmp_path, components=components)).components["a"].files
    assert [file.config for file in files] == [True, "noreplace", False]
    assert (files[0].mode, files[2].content) == (0o640, "1.10")


def test_a_component_in_two_files(tmp_path: Path) -> None:
    distro = DISTRO.replace("[components/all.yaml]", "[components/all.yaml, more.yaml]")
    _write(tmp_path, distro=distro)
    (tmp_path / "more.yaml").write_text("components: {bash: }\n")
    assert [problem.code for problem in _problems(tmp_path)] == ["distro.declared-twice"]


def test_nothing_there(tmp_path: Path) -> None:
    assert [problem.code for problem in _problems(tmp_path / "none")] == ["distro.missing"]


def test_a_binary_distribution() -> None:
    distro = from_data(
        Distro,
        {
            "name": "other",
            "version": "10",
            "repositories": [
                {"id": "base", "baseurl": "https://example.org/", "gpgkey": ["a", "b"]}
            ],
        },
    )
    assert distro.repositories[0].gpgkey == ("a", "b")
    assert distro.repositories[0].gpgcheck and not distro.repositories[0].repo_gpgcheck


def _scriptlet(**fields: object) -> Scriptlet:
    return from_data(Scriptlet, fields)


def test_scriptlets_of_one_event_run_in_turn() -> None:
    declared = {"a": _scriptlet(on="post", script="one"), "b": _scriptlet(on="post", script="two")}
    scriptlets, triggers = resolve(["a", "b"], declared)
    assert [item.script for item in scriptlets] == ["one\ntwo"]
    assert scriptlets[0].interpreter == ("/usr/bin/sh",)
    assert triggers == ()


def test_programs_cannot_be_joined() -> None:
    declared = {
        "a": _scriptlet(on="post", interpreter="/sbin/ldconfig"),
        "b": _scriptlet(on="post", script="two"),
    }
    assert resolve(["a"], declared)[0][0].interpreter == ("/usr/sbin/ldconfig",)
    with pytest.raises(ValueError, match="post"):
        resolve(["a", "b"], declared)


def test_triggers_carry_their_paths() -> None:
    declared = {
        "t": _scriptlet(on="transactionFileTriggerPostun", script="x", paths=["/usr/lib"]),
        "u": _scriptlet(on="fileTriggerIn", script="y", paths=["/etc"], priority=5),
    }
    _, triggers = resolve(["t", "u"], declared)
    assert [(item.event, item.per_transaction) for item in triggers] == [
        ("postun", True),
        ("in", False),
    ]
