"""Several images of one file: variables, profiles, conditions, the matrix, and their locks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dockyard.config import LoadedImage, load_image
from dockyard.config.record import recorded
from dockyard.config.variables import Chosen, said
from dockyard.config.variants import images_of, load_images, load_one
from dockyard.errors import DockyardError, Problem

AXES = """\
variables:
  filesystem: {values: [ext4, xfs]}
  packages: {type: list, default: [vim]}
  swap: {type: boolean, default: false}
matrix:
  axes:
    filesystem: [ext4, xfs]
    profile: [plain, debug]
  exclude:
  - {filesystem: xfs, profile: debug}
profiles:
  plain: {}
  debug: {os: {packages: {install: [strace]}}}
os:
  hostname: a-${{ filesystem }}
  packages: {install: [bash, "${{ packages }}"]}
"""


def images(
    text: str, *only: str, values: Sequence[str] = (), profiles: tuple[str, ...] = ()
) -> tuple[LoadedImage, ...]:
    return images_of(text, Path("web.yaml"), Chosen(said(values), profiles), only)


def refusal(text: str, *only: str, values: Sequence[str] = (), profiles: tuple[str, ...] = ()) -> (
    tuple[Problem, ...]
):  # fmt: skip
    with pytest.raises(DockyardError) as caught:
        images(text, *only, values=values, profiles=profiles)
    return caught.value.problems


def test_one_image_for_each_combination() -> None:
    found = images(AXES)
    assert [each.chosen.variant for each in found] == ["ext4-plain", "ext4-debug", "xfs-plain"]
    assert [each.image.os.hostname for each in found] == ["a-ext4", "a-ext4", "a-xfs"]
    assert [each.image.os.packages.install for each in found] == [
        ("bash", "vim"),
        ("bash", "vim", "strace"),
        ("bash", "vim"),
    ]
    assert {each.name for each in found} == {"web"}


def test_those_that_are_named_keep_the_locks_of_all() -> None:
    locks = {each.chosen.variant: each.lock_path.name for each in images(AXES)}
    assert locks == {
        "ext4-plain": "web.plain.lock",
        "ext4-debug": "web.debug.lock",
        "xfs-plain": "web.plain.lock",
    }
    [one] = images(AXES, "xfs-plain")
    assert (one.chosen.variant, one.lock_path.name) == ("xfs-plain", "web.plain.lock")
    assert one.words == "web.yaml --variant xfs-plain"


def test_an_axis_that_changes_no_packages_is_in_no_name_of_a_lock() -> None:
    same = AXES.replace("[strace]", "[]")
    assert {each.lock_path.name for each in images(same)} == {"web.lock"}


def test_where_combinations_are_left_out_all_axes_name_the_lock() -> None:
    text = """\
variables: {a: {}, b: {}}
matrix: {axes: {a: [1, 2], b: [1, 2]}, exclude: [{a: 1, b: 2}, {a: 2, b: 1}]}
os: {packages: {install: ["p${{ a }}"]}}
"""
    assert [each.lock_path.name for each in images(text)] == ["web.1.1.lock", "web.2.2.lock"]


def test_a_profile_of_the_command_line_has_a_lock_where_it_changes_packages() -> None:
    text = """\
profiles:
  more: {os: {packages: {install: [vim]}}}
  named: {name: other, os: {hostname: b}}
os: {hostname: a, packages: {install: [bash]}}
"""
    [plain], [more], [named] = (
        images(text),
        images(text, profiles=("more",)),
        images(text, profiles=("named",)),
    )
    assert plain.lock_path.name == named.lock_path.name == "web.lock"
    assert more.lock_path.name == "web.more.lock"
    assert (named.name, named.image.os.hostname) == ("other", "b")
    assert (more.name, more.image.os.hostname) == ("web", "a")
    both = images(text, profiles=("more", "named"))[0]
    assert both.image.os.packages.install == ("bash", "vim") and both.name == "other"
    assert len({each.chosen.record for each in (plain, more, named, both)}) == 4


def test_types_of_values() -> None:
    text = """\
variables:
  count: {type: integer, default: 7}
  on: {type: boolean, default: true}
  word: {default: "true"}
  many: {type: list, default: [a, b]}
os:
  hostname: h${{count}}-${{ word }}
  users: [{name: u, uid: "${{ count }}"}]
  packages: {updateExistingPackages: "${{ on }}", install: "${{ many }}"}
"""
    os = images(text)[0].image.os
    assert (os.hostname, os.users[0].uid) == ("h7-true", 7)
    assert os.packages.update_existing_packages is True
    assert os.packages.install == ("a", "b")
    [other] = images(text, values=("count=9", "many=x,y"))
    assert other.image.os.users[0].uid == 9 and other.image.os.packages.install == ("x", "y")
    # A text is no truth value, wherever it came from.
    [problem] = refusal(text.replace('"${{ on }}"', '"${{ word }}"'))
    assert problem.code == "config.wrong-type"
    text = "variables: {a: {default: b}}\nos: {additionalFiles: [{destination: /x, content: '%s'}]}"
    [file] = images(text % "$${{ a }}${{ a }}")[0].image.os.additional_files
    assert file.content == "${{ a }}b"


def test_a_file_without_variables_is_as_it_is() -> None:
    text = "os: {additionalFiles: [{content: 'x ${{ y }} $${{', destination: /x}]}"
    assert images(text)[0].image.os.additional_files[0].content == "x ${{ y }} $${{"


def test_all_mistakes_are_told_each_once() -> None:
    text = """\
variables:
  filesystem: {values: [ext4, xfs]}
  size: {type: integer, default: big}
  unset: {}
matrix: {axes: {filesystem: [ext4, xfs, zfs]}}
os:
  hostname: a-${{ filesystm }}
  selinux: {mode: ${{ }}}
  wrong: ${{ filesystem
"""
    text = text.replace("{mode: ${{ }}}", '{mode: "${{ }}"}')
    codes = [(each.code, getattr(each.where, "line", 0)) for each in refusal(text)]
    assert codes == [
        ("config.variable-value", 3),
        ("config.variable-unset", 4),
        ("config.unknown-variable", 7),
        ("config.unknown-variable", 8),
        ("config.unknown-key", 9),
        ("config.unknown-variable", 9),
        ("config.variable-value", 2),
    ]
    assert "did you mean filesystem?" in str(refusal(text)[2].fix)


@pytest.mark.parametrize(
    ("matrix", "code"),
    [
        ("{}", "config.required"),
        ("{axes: {a: []}}", "config.axis-value"),
        ("{axes: {a: [x, x]}}", "config.axis-value"),
        ("{axes: {a: [x/y]}}", "config.axis-value"),
        ("{axes: {a b: [x]}}", "config.name"),
        ("{axes: {a: [x]}, exclude: [{b: x}]}", "config.exclude"),
        ("{axes: {a: [x]}, exclude: [{a: y}]}", "config.exclude"),
        ("{axes: {a: [x]}, exclude: [{}]}", "config.exclude"),
        ("{axes: {a: [x]}, exclude: [{a: x}]}", "config.exclude"),
        ("{axes: [a]}", "config.wrong-type"),
        ("{axis: {a: [x]}}", "config.unknown-key"),
        (f"{{axes: {{a: [{', '.join(map(str, range(1001)))}]}}}}", "config.matrix-size"),
        ("{axes: {b: [x]}}", "config.unknown-variable"),
    ],
)
def test_mistakes_of_a_matrix(matrix: str, code: str) -> None:
    found = refusal(f"variables: {{a: {{default: x}}}}\nmatrix: {matrix}\nos: {{}}")
    assert code in {each.code for each in found}


def test_mistakes_of_a_matrix_are_told_with_all_others_and_where_they_are() -> None:
    wrong = "variables: {a: {default: x}}\nmatrix: {axes: {a: [x/y, x]}}\nos: {hostnme: b}\n"
    codes = [(each.code, getattr(each.where, "line", 0)) for each in refusal(wrong)]
    assert codes == [("config.axis-value", 2), ("config.unknown-key", 3)]
    nothing = "matrix: {axes: {a: [x]}, exclude: [{a: x}]}"
    wrong = f"variables: {{a: {{}}}}\n{nothing}\nos: {{hostnme: b}}\n"
    codes = [(each.code, getattr(each.where, "line", 0)) for each in refusal(wrong)]
    assert codes == [("config.exclude", 2), ("config.unknown-key", 3)]
    wrong = joined("x, x-y", "y-z, z") + "storage: {}\nscripts: 1\n"
    codes = [(each.code, getattr(each.where, "line", 0)) for each in refusal(wrong)]
    assert codes[0] == ("config.variant-name", 2) and ("config.wrong-type", 5) in codes


def test_what_the_command_line_says_is_there() -> None:
    assert [each.code for each in refusal(AXES, "ext4-plian", "nothing")] == [
        "config.unknown-variant",
        "config.unknown-variant",
    ]
    assert refusal(AXES, "ext4-plian")[0].fix == "did you mean ext4-plain?"
    assert refusal(AXES, values=("filesystem=xfs",))[0].code == "config.set"
    assert {each.code for each in refusal(AXES, values=("other=1",))} == {"config.unknown-variable"}
    assert refusal(AXES, values=("swap=maybe",))[0].code == "config.variable-value"
    assert {each.code for each in refusal(AXES, profiles=("none",))} == {"config.unknown-profile"}
    assert refusal("os: {}", "x")[0].code == "config.unknown-variant"
    with pytest.raises(DockyardError) as caught:
        said(("a", "=b", "c=1", "c=2"))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("name", ["variant", "profile", "1a", "a b"])
def test_names_that_no_variable_has(name: str) -> None:
    assert "config.name" in {
        each.code for each in refusal(f"variables: {{{name}: {{default: x}}}}\nos: {{}}")
    }


def test_base_configs_with_conditions_take_values_along(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("""\
variables: {edition: {default: server}}
profiles: {debug: {baseConfigs: [{path: debug.yaml}]}}
baseConfigs:
- {path: desktop.yaml, when: {edition: [desktop, laptop]}}
- {path: server.yaml, when: {edition: server}}
- {path: traced.yaml, when: {profile: debug}}
os: {hostname: "${{ edition }}"}
""")
    (tmp_path / "desktop.yaml").write_text("os: {packages: {install: [gui]}}")
    (tmp_path / "server.yaml").write_text("""\
variables: {edition: {values: [server]}, port: {default: 80}}
os: {packages: {install: ["${{ edition }}-${{ port }}"]}}
""")
    (tmp_path / "traced.yaml").write_text("os: {packages: {install: ['${{ edition }}']}}")
    (tmp_path / "debug.yaml").write_text("os: {packages: {install: [gdb]}}")
    file = tmp_path / "web.yaml"

    def installed(*profiles: str, **values: str) -> tuple[str, ...]:
        chosen = Chosen({name: (value,) for name, value in values.items()}, profiles)
        return load_image(file, chosen).image.os.packages.install

    assert installed() == ("server-80",)
    assert installed(port="443") == ("server-443",)
    assert installed(edition="laptop") == ("gui",)
    assert load_one(file).image.os.hostname == "server"
    # A file with no variables of its own has none of the others'.
    with pytest.raises(DockyardError) as caught:
        installed("debug")
    assert {each.code for each in caught.value.problems} == {"config.package-name"}
    (tmp_path / "traced.yaml").write_text("os: {packages: {install: [strace]}}")
    assert installed("debug") == ("server-80", "strace", "gdb")
    # The file that it is built on says which values it has.
    with pytest.raises(DockyardError) as caught:
        (tmp_path / "desktop.yaml").write_text("variables: {edition: {values: [desktop]}}\nos: {}")
        installed(edition="laptop")
    assert [each.code for each in caught.value.problems] == ["config.variable-value"]


def test_a_condition_on_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("baseConfigs: [{path: a.yaml, when: {b: c, d: e}}]\nos: {}")
    with pytest.raises(DockyardError) as caught:
        load_images(tmp_path / "web.yaml")
    assert [each.code for each in caught.value.problems] == ["config.unknown-variable"] * 2


def test_profiles_are_judged_though_nobody_chose_them() -> None:
    text = "profiles: {a: {os: {hostnam: x}, scripts: {postCustomization: [{path: ../x}]}}}\nos: {}"
    assert [each.code for each in refusal(text)] == ["config.unknown-key"]
    assert [each.code for each in refusal(text.replace("os: {hostnam: x}, ", ""))] == [
        "config.script-outside"
    ]


def test_one_image_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(AXES)
    with pytest.raises(DockyardError) as caught:
        load_one(tmp_path / "web.yaml")
    assert "--variant: ext4-plain, ext4-debug, xfs-plain" in caught.value.problems[0].fix
    assert load_one(tmp_path / "web.yaml", only=("xfs-plain",)).chosen.variant == "xfs-plain"


def test_the_record_of_an_image_says_what_it_has() -> None:
    said = recorded(images(AXES, "ext4-debug")[0])
    assert said == {
        "os": {"hostname": "a-ext4", "packages": {"install": ["bash", "vim", "strace"]}}
    }


def joined(first: str, second: str) -> str:
    return (
        "variables: {a: {}, b: {}}\n"
        f"matrix: {{axes: {{a: [{first}], b: [{second}]}}}}\n"
        'os: {packages: {install: ["${{ a }}", "${{ b }}"]}}\n'
    )


def test_two_images_of_a_matrix_never_have_one_name() -> None:
    (problem,) = refusal(joined("x, x-y", "y-z, z"))
    assert problem.code == "config.variant-name" and "x-y-z" in problem.what
    assert problem.why == "a: x, b: y-z; and a: x-y, b: z"
    assert len(images(joined("x, x-y", "y, z"))) == 4


def test_images_of_other_packages_never_share_a_lock() -> None:
    (problem,) = refusal(joined("x, x.y", "y.z, z"))
    assert problem.code == "config.same-lock" and "web.x.y.z.lock" in problem.what


def test_no_variant_takes_the_lock_of_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(AXES)
    assert len(load_images(tmp_path / "web.yaml")) == 3
    (tmp_path / "web.plain.yaml").touch()
    with pytest.raises(DockyardError) as caught:
        load_images(tmp_path / "web.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "config.same-lock" and "web.plain.yaml" in problem.what
