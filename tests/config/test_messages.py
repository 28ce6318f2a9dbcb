"""Positions, suggestions, and all mistakes at once."""

from __future__ import annotations

import time

import pytest
from conformance import judge
from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.config import parse_image
from dockyard.errors import DockyardError, Position, Problem
from dockyard.model.output import ImageFormat

MANY = """\
os:
  hostnam: a
  users:
    - name: "al ice"
      uid: 0100
      password: {type: hashed, value: "hunter2:x"}
    - name: bob
      shell: /bin/sh
  services:
    enable: sshd
  selinux: {mode: enforced}
storage:
  bootType: efi
  disks:
  - maxSize: 10
    partitions:
    - {id: esp, type: esp, size: 8}
"""


def places(problems: tuple[Problem, ...]) -> list[tuple[int, int, str]]:
    found = []
    for problem in problems:
        assert isinstance(problem.where, Position)
        found.append((problem.where.line, problem.where.column, problem.code))
    return found


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    assert places(judge(MANY)) == [
        (2, 3, "config.unknown-key"),
        (4, 13, "config.user-name"),
        (5, 12, "config.wrong-type"),
        (6, 39, "config.password-value"),
        (8, 7, "config.unknown-key"),
        (10, 13, "config.wrong-type"),
        (11, 19, "config.unknown-value"),
        (14, 3, "config.required"),
        (15, 14, "config.size"),
        (17, 7, "config.boot-partition"),
        (17, 34, "config.size"),
    ]


def test_the_fix_names_the_nearest_key_or_value() -> None:
    fixes = {p.where.line: p.fix for p in judge(MANY) if isinstance(p.where, Position)}
    assert fixes[2] == "did you mean `hostname`?"
    assert fixes[8].startswith("remove it; keys that could stand here are `uid`")
    assert fixes[11].startswith("did you mean `enforcing`?")
    assert fixes[5].startswith("write 100")
    assert fixes[15].startswith("write 10M")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("os: {users: [{name: a, startupCommand: nologin}]}", "write '/usr/sbin/nologin'"),
        ("os: {users: [{name: a, startupCommand: bash}]}", "write '/bin/bash'"),
        ("os: {users: [{name: a, homeDirectory: srv/a}]}", "write '/srv/a'"),
        ("storage: {disks: [{maxSize: 8m}]}", "write 8M"),
        (
            "storage: {disks: [{partitions: [{id: a, start: 2G, end: 3G}, "
            "{id: b, start: 1M, end: 1G}]}]}",
            "`b` starts at 1M, before partition `a`, which is listed before it and starts at 2048M",
        ),
        ("storage: {disks: [{maxSize: 8GiB}]}", "write 8G"),
        ("storage: {disks: [{maxSize: 8 mb}]}", "write 8M"),
        ('storage: {disks: [{partitions: [{label: "a\\tb"}]}]}', "has control characters"),
        ("storage: {disks: [{partitions: [{label: é}]}]}", "has characters outside ASCII"),
        (f"os: {{additionalFiles: [{{content: x, destination: /{'n' * 256}}}]}}", "is too long"),
        (f"os: {{additionalFiles: [{{content: x, destination: /{'é' * 128}}}]}}", "is too long"),
        ('os: {additionalDirs: [{source: x, destination: "/a\\0b"}]}', "cannot hold NUL"),
    ],
)
def test_what_is_said_fits_the_mistake(text: str, said: str) -> None:
    assert any(said in f"{problem.what}; {problem.fix}" for problem in judge(text)), judge(text)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("os:\n  hostname:\n    a: b\n", 2, 3),
        ("os:\n  hostname:\n    - a\n", 2, 3),
        ("os:\n  users:\n    name: a\n", 2, 3),
        ("os:\n  services:\n    - sshd\n", 2, 3),
        ("os:\n  modules:\n  - name: a\n    options:\n      - b\n", 4, 5),
        ("os:\n  services:\n    enable:\n      - a: b\n", 4, 9),
    ],
)
def test_a_block_of_the_wrong_kind_is_told_at_its_key(text: str, line: int, column: int) -> None:
    (problem,) = judge(text)
    assert problem.where == Position("image.yaml", line, column)


def test_a_huge_value_is_cut() -> None:
    for text in (
        f"os: {{hostname: {'a' * 400_000}}}",
        f"os: {{{'a' * 400_000}: 1}}",
        f"os: {{selinux: {{mode: {'a' * 400_000}}}}}",
        f"os: {{additionalFiles: [{{content: x, destination: {'a/' * 200_000}}}]}}",
    ):
        for problem in judge(text):
            assert len(repr(problem)) < 3000


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("os: {}\nos: {hostname: a_b}\n", "config.duplicate-key"),
        ("os: {hostname: &x a_b}\n", "config.anchor"),
        ("os: {hostname: !!str a_b}\n", "config.tag"),
        ("name: *x\nos: {hostname: a_b}\n", "config.alias"),
        ("os:\n  <<: {}\n  hostname: a_b\n", "config.merge-key"),
        ("? [a]\n: b\nos: {hostname: a_b}\n", "config.key"),
    ],
)
def test_what_yaml_does_not_allow_here_hides_nothing(text: str, code: str) -> None:
    assert {problem.code for problem in judge(text)} == {code, "config.hostname"}


def test_what_an_alias_or_a_merge_key_may_hold_is_not_missed() -> None:
    problems = judge("os: {users: [{name: *n}, {<<: {name: a}}, {name: &n b}]}")
    assert {it.code for it in problems} == {"config.alias", "config.merge-key", "config.anchor"}


BROKEN_STORAGE = """\
storage:
  bootType: efi
  disks:
  - maxSize: 4G
    partitions:
    - {id: esp, type: esp, size: 8}
    - [broken]
    - {id: root, size: 1G, label: "ä"}
    - {id: root, size: 1G}
  filesystems:
  - broken
  - {deviceId: esp, type: vfat, mountPoint: {path: /boot/efi, idType: wrong}}
  - {deviceId: nowhere, type: ext4, mountPoint: /}
  - {deviceId: root, type: ext4, mountPoint: /}
os: {bootloader: {resetType: hard-reset}}
"""


def test_rules_across_the_parts_speak_although_parts_are_broken() -> None:
    assert places(judge(BROKEN_STORAGE)) == [
        (6, 34, "config.size"),
        (7, 7, "config.wrong-type"),
        (8, 35, "config.partition-label"),
        (9, 12, "config.duplicate"),
        (11, 5, "config.wrong-type"),
        (12, 71, "config.unknown-value"),
        (14, 46, "config.duplicate"),
    ]
    # A device that the broken partition may have had is not called unknown; otherwise it is.
    whole = BROKEN_STORAGE.replace("    - [broken]\n", "")
    assert (12, 16, "config.unknown-device") in places(judge(whole))


def test_many_mistakes_take_no_long_time() -> None:
    began = time.process_time()
    judge("os: {" + ", ".join(f"key{number}: 1" for number in range(3000)) + "}")
    subvolumes = ", ".join(
        f"{{path: 'v{number}', mountPoint: '/m/{number}'}}" for number in range(1500)
    )
    judge(f"storage: {{filesystems: [{{type: btrfs, btrfs: {{subvolumes: [{subvolumes}]}}}}]}}")
    judge("os: {users: [" + "{name: 'a b', uid: x}, " * 1500 + "]}")
    assert time.process_time() - began < 6  # about 2 s; each took more than that alone


def test_the_excerpt_shows_the_line_and_masks_passwords() -> None:
    first = judge(MANY)[0]
    assert first.excerpt == ("  hostnam: a", "  ^^^^^^^")
    assert not any("hunter2" in str(problem) for problem in judge(MANY))


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2",
        "pasword: hunter2",
        "password: {type: hashd, value: hunter2}",
        "password: {valeu: hunter2}",
        "password: [hunter2]",
        "password: {type: locked, value: hunter2}",
        "password: {type: hashed, value: 'hunter2:'}",
        "password: {type: hashed, value:hunter2}",
        "password: {type: hashd, value:\n      hunter2}",
        "password: {value: hunter2: x}",
        "password:\n      value: >\n        a\n        hunter2\n      odd: [",
    ],
)
def test_no_message_holds_a_password(line: str) -> None:
    problems = judge(f"os:\n  users:\n  - name: a\n    {line}\n")
    assert problems
    assert "hunter2" not in repr(problems)


@pytest.mark.parametrize(
    "text",
    [
        "environmentVariables: {A: [hunter2]}",
        "environmentVariables: {Y: hunter2}",
        "environmentVariables:\n      A: x: hunter2",
        "enviromentVariables: {A: hunter2}",
        "arguments: {a: hunter2}",
        "arguments: [--token, [hunter2]]",
        "content: [hunter2]",
        "contents: hunter2",
    ],
)
def test_no_message_holds_what_a_script_is_given(text: str) -> None:
    problems = judge(f"scripts:\n  postCustomization:\n  - path: a\n    {text}\n    oops: 1\n")
    assert problems
    assert "hunter2" not in repr(problems)


def test_no_message_holds_the_login_of_an_address() -> None:
    for where in ("oci: 'me:hunter2@r.example/A B'", "oci: {uri: me:hunter2@r.example/A, url: 1}"):
        problems = judge(f"input: {{image: {{{where}}}}}\n")
        assert problems
        assert "hunter2" not in repr(problems) and "me:…@r.example" in repr(problems)


def test_columns_count_characters() -> None:
    (problem,) = judge("os: {hostname: имя, hostnam: х}")[1:]
    assert problem.where == Position("image.yaml", 1, 21)
    assert problem.excerpt[1].index("^") == 20


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("", "config.empty-file", 1, 1),
        ("# only a comment\n", "config.empty-file", 1, 1),
        ("null\n", "config.empty-file", 1, 1),
        ("os: {hostname: a", "config.syntax", 1, 17),
        ("os:\n\thostname: a", "config.syntax", 2, 1),
        ("a: b: c", "config.syntax", 1, 5),
        ("os: \0", "config.syntax", 1, 5),
        ("os: {hostname: a}\nos: {}", "config.duplicate-key", 2, 1),
        ("os: {hostname: &x a}", "config.anchor", 1, 16),
        ("os: {hostname: *x}", "config.alias", 1, 16),
        ("os: {hostname: !!str a}", "config.tag", 1, 16),
        ("os:\n  <<: {hostname: a}", "config.merge-key", 2, 3),
        ("os: {}\n--- \nos: {}", "config.several-documents", 2, 1),
        ("? [a]\n: b", "config.key", 1, 3),
        ("- a", "config.wrong-type", 1, 1),
        ("[" * 80 + "]" * 80, "config.too-deep", 1, 65),
        ("os: {packages: {install: bash}}", "config.wrong-type", 1, 26),
        ("os: {packages: {removePackageManager: 'true'}}", "config.wrong-type", 1, 39),
        ("os: {packages: {removePackageManager: 1}}", "config.wrong-type", 1, 39),
        ("os: {users: [{name: a, uid: '1'}]}", "config.wrong-type", 1, 29),
        ("os: {users: [{name: a, uid: 1.5}]}", "config.wrong-type", 1, 29),
        ("os: {users: [{name: a, uid: 99999999999999999999}]}", "config.wrong-type", 1, 29),
        ("os: {hostname: [a]}", "config.wrong-type", 1, 16),
        ("os: {modules: [{name: a, options: [b]}]}", "config.wrong-type", 1, 35),
    ],
)
def test_one_mistake(text: str, code: str, line: int, column: int) -> None:
    assert (line, column, code) in places(judge(text))


@pytest.mark.parametrize(
    ("size", "fix"),
    [("2GB", "2G"), ("2g", "2G"), ("1.5G", "1536M"), ("0.3G", "308M"), ("10.25MiB", "11M")],
)
def test_a_size_is_mended(size: str, fix: str) -> None:
    text = f"storage: {{disks: [{{partitions: [{{id: root, size: {size}}}]}}]}}\n"
    [problem] = [each for each in judge(text) if each.code == "config.size"]
    assert problem.fix == f"write {fix}, or `grow`"


def test_a_mistake_causes_no_second_one() -> None:
    storage = "storage:\n  bootType: efi\n  disks:\n  - maxSize: 4G\n    partitions:\n"
    text = storage + "    - {id: esp, type: esp, sise: 8M}\n    - {id: root, size: 1G}\n"
    assert [problem.code for problem in judge(text)] == [
        # os.bootloader.resetType, and a file system of the ESP: mistakes of their own
        "config.required",
        "config.boot-partition",
        "config.unknown-key",
    ]


def test_text_is_what_it_looks_like() -> None:
    loaded = parse_image(
        "os:\n"
        "  hostname: 1.10\n"
        "  packages: {snapshotTime: 2025-05-20, install: [no, 0644, 1:30]}\n"
        "  additionalFiles: [{content: '', destination: /x, permissions: 0644}]\n"
        "input: {image: {azureLinux: {variant: core, version: 3.0}}}\n"
    )
    os = loaded.image.os
    assert os.hostname == "1.10"
    assert os.packages.install == ("no", "0644", "1:30")
    assert os.packages.snapshot_time == "2025-05-20"
    assert os.additional_files[0].permissions == 0o644
    assert os.additional_files[0].content == ""
    assert loaded.image.input.image.azure_linux
    assert loaded.image.input.image.azure_linux.version == "3.0"


def test_positions_of_values() -> None:
    loaded = parse_image("os:\n  users:\n  - name: a\n    uid: 7\n  services: {enable: [sshd]}\n")
    assert loaded.positions["os.users[0].uid"] == Position("image.yaml", 4, 10)
    assert loaded.positions["os.services.enable[0]"] == Position("image.yaml", 5, 23)
    assert loaded.positions["os.users"] == Position("image.yaml", 2, 3)
    assert loaded.position("os.users[0].password.type") == loaded.positions["os.users[0]"]
    problem = loaded.problem("os.users[0].uid", "users.id-taken", "taken")
    assert problem.excerpt == ("    uid: 7", "         ^")


def test_short_forms() -> None:
    loaded = parse_image("input: {image: {oci: {uri: r.example/a:1, platform: linux/arm64}}}")
    oci = loaded.image.input.image.oci
    assert oci and oci.platform
    assert (oci.uri, oci.platform.os, oci.platform.architecture) == (
        "r.example/a:1",
        "linux",
        "arm64",
    )


TOKENS = """
os users name uid storage disks partitions size grow 8M - : { } [ ] , ' " & * ! | > # ? % install
packages 0x1 null ~ true <<: é 🙂 --- ... output image format
"""
WORDS = st.sampled_from([*TOKENS.split(), "", "\n", "\t", "\x00", "\x85", "\ufeff"])
KEYS = """
os storage disks partitions filesystems verity id type size start end users name services enable
disable overlays lowerDirs upperDir mountPoint path btrfs uki mode subvolumes quota modules options
bootType image input output artifacts oci
"""


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("\n  ".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_image(text)
    except DockyardError as error:
        assert all(problem.code.startswith("config.") for problem in error.problems)


TREES = st.recursive(
    st.sampled_from(["a", "1", "grow", "8M", "", "''", "esp", "ext4", "/x", "create", "[]", "{}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=4,
        ).map(lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items.items()) + "}"),
    ),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(TREES)
def test_any_tree_is_read_or_refused(text: str) -> None:
    try:
        parse_image(text)
    except DockyardError as error:
        assert all(problem.code.startswith("config.") for problem in error.problems)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("os:\n  users:\n  - name: a\n   uid: 4\n", "does not belong to the mapping"),
        ("os:\n  a:\n  - b\n   c\n  d\n", "a key without a `:`"),
        ("os:\n  - a\n  b: c", "does not belong to the list"),
        ("os:\n  hostname abc\n  users: []\n", "a `:` where none can stand"),
        ("os: [a b\n", "a bracket is not closed"),
        ('os:\n  hostname: "abc\n', "a quote is not closed"),
        ("os:\n  hostname: @abc\n", "cannot start with this character"),
        ("os: - a", "a list item cannot stand here"),
        ('os: "\\q"', "starts no escape"),
        ("os: a\x07", "a control character"),
    ],
)
def test_syntax_errors_say_what_they_mean(text: str, what: str) -> None:
    (problem,) = judge(text)
    assert what in problem.what, problem
    assert problem.excerpt and problem.fix


@pytest.mark.parametrize("text", ["nonsense", "vhdxx"])
def test_every_format_is_told(text: str) -> None:
    [problem] = judge(f"output: {{image: {{path: x, format: {text}}}}}")
    names = ", ".join(f"`{each}`" for each in ImageFormat)
    assert problem.fix.lower().endswith(f"write one of {names}")


SHAPED = """\
storage:
  bootType: efi
  disks:
    - partitionTableType: gpt
      maxSize: 4G
os:
  hostname: a
  packages:
    install:
      - bash
  services:
    enable:
      - sshd
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "column", "what"),
    [
        ("  bootType", " bootType", 2, 2, "the indentation of this line"),
        ("  hostname", "   hostname", 7, 4, "the indentation of this line"),
        ("    - part", "   - part", 4, 6, "the indentation of this line"),
        ("      max", "     max", 5, 6, "does not belong to the list"),
        ("  packages", "\tpackages", 8, 1, "a tab indents this line"),
        ("    install", "  \tinstall", 9, 3, "a tab indents this line"),
        ("      max", "    \tmax", 5, 5, "a tab indents this line"),
        ("hostname: a", "hostname: 'a", 7, 13, "a quote is not closed"),
        ("hostname: a\n", 'hostname: "a\n  name: "b"\n', 7, 13, "a quote is not closed"),
        ("- bash", "- 'it's'", 10, 13, "the value ended before this text"),
        ("hostname: a", "hostname: a: b", 7, 14, "a `:` where none can stand"),
    ],
)
def test_a_syntax_error_points_at_the_line_that_is_wrong(
    right: str, wrong: str, line: int, column: int, what: str
) -> None:
    assert SHAPED.count(right) == 1
    (problem,) = judge(SHAPED.replace(right, wrong))
    assert what in problem.what, problem
    assert problem.where == Position("image.yaml", line, column)
    assert problem.excerpt and problem.fix
