"""The command as a whole: quick help, errors without a traceback, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from here import Here

from dockyard.cli.main import VERBS, dockyard
from dockyard.model.output import ImageFormat

CODE = "from dockyard.cli.main import main; main()"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


def test_every_verb_is_there_and_has_help() -> None:
    for verb, (_, line) in VERBS.items():
        command = dockyard.get_command(None, verb)  # type: ignore[arg-type]
        assert command is not None and command.help, verb
        assert line.endswith(".")
    listed = run("--help").stdout
    assert all(verb in listed for verb in VERBS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dockyard.cli.main import dockyard\n"
        "dockyard.main(['--help'], standalone_mode=False)\n"
        "print(sorted({'solv', 'rich', 'urllib3', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_wrong_command_line_is_status_2() -> None:
    done = run("build")
    assert done.returncode == 2
    assert "IMAGE" in done.stderr


def test_a_mistake_of_the_user_is_status_1_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_text("hostname: a\n")
    done = run("build", str(tmp_path / "image.yaml"), "--store", str(tmp_path / "store"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "image.yaml:1:1" in done.stderr


def test_a_misspelt_verb_or_option_is_met_with_a_near_one(here: Here) -> None:
    assert "did you mean build?" in here("biuld").stderr
    assert "did you mean lock?" in here("distro", "lokc").stderr
    assert "did you mean --jobs" in here("build", "--jbos", "2").stderr
    assert "did you mean" not in here("xyzzy").stderr


def test_a_number_of_jobs_that_does_no_work_is_refused(here: Here, tmp_path: Path) -> None:
    done = here("build", str(tmp_path / "image.yaml"), "--jobs", "0")
    assert done.returncode == 2 and "--jobs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_size_or_an_age_without_a_unit_removes_nothing(here: Here, tmp_path: Path) -> None:
    for words in (["--keep", "20"], ["--older-than", "30"]):
        done = here("store", "prune", *words, "--store", str(tmp_path / "store"))
        assert done.returncode == 2 and words[0] in done.stderr
        assert "such as" in done.stderr


IDLE = [
    (["boot", "IMAGE", "--persist"], "the store's image is never changed"),
    (["boot", "IMAGE", "--timeout", "5"], "--timeout does nothing without --check"),
    (["boot", "IMAGE", "--power-off"], "--power-off does nothing without --check"),
    (["boot", "IMAGE", "--log", "x"], "--log does nothing without --check"),
    (["boot", "IMAGE", "--config-file", "IMAGE"], "named twice"),
    (["boot", "DISK", "--config-file", "IMAGE"], "does nothing without --check"),
    (["boot", "DISK", "--rpm-source", "."], "--rpm-source does nothing without an image file"),
    (["boot", "DISK", "--image-file", "DISK"], "--image-file does nothing without an image file"),
    (
        ["shell", "DISK", "--variant", "a", "--package-snapshot-time", "2026-01-01"],
        "--variant and --package-snapshot-time do nothing without an image file",
    ),
    (["run", "DISK", "--set", "a=b", "--", "true"], "--set does nothing without an image file"),
    (["burn", "DISK", "DISK", "--profile", "p"], "--profile does nothing without an image file"),
    (["build", "IMAGE", "--profile", "p", "--profile", "p"], "p is given twice"),
    (["boot", "DISK", "--json"], "--json does nothing without --check"),
    (["lock", "IMAGE", "--disable-base-image-rpm-repos"], "does nothing without --image-file"),
    (["build", "IMAGE", "--config-file", "IMAGE"], "named twice"),
]


@pytest.mark.parametrize(("words", "told"), IDLE, ids=lambda value: "-".join(value)[:40])
def test_an_option_that_would_do_nothing_is_refused(
    words: list[str], told: str, here: Here, tmp_path: Path
) -> None:
    named = {"IMAGE": tmp_path / "image.yaml", "DISK": tmp_path / "disk.raw"}
    for path in named.values():
        path.write_text("os: {}\n")
    done = here(*(str(named.get(word, word)) for word in words))
    assert done.returncode == 2, done.stderr
    assert told in " ".join((done.stderr + done.stdout).split())


@pytest.mark.parametrize(
    "words",
    [["--memory", "63M"], ["--memory", "²G"], ["--memory", ""], ["--forward", "70000:22"],
     ["--forward", "22"], ["--forward", "²:22"], ["--forward", "0:22"]],
    ids=" ".join,
)  # fmt: skip
def test_a_machine_that_cannot_be_is_refused(words: list[str], here: Here, tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_text("")
    done = here("boot", str(tmp_path / "disk.raw"), *words)
    assert done.returncode == 2 and words[0] in done.stderr
    assert "such as" in done.stderr


def leaves(group: click.Group, path: list[str]) -> list[list[str]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += leaves(command, [*path, name])
        else:
            found.append([*path, name])
    return found


@pytest.mark.parametrize("words", leaves(dockyard, []), ids=" ".join)
def test_every_verb_answers_with_json_even_when_it_fails(
    words: list[str], here: Here, tmp_path: Path
) -> None:
    """Each is called with an option that it does not have, and with what it needs missing."""
    (tmp_path / "file").touch()
    missing = tmp_path / ("file/nothing" if words == ["init"] else "nothing")
    for more in (["--no-such"], [str(missing)]):
        done = here(*words, *more, "--json")
        answer = json.loads(done.stdout)
        assert list(answer) == [
            "dockyard", "verb", "ok", "result", "remarks", "problems", "log",
        ]  # fmt: skip
        assert answer["verb"] == " ".join(words)
        assert answer["ok"] is False and answer["problems"][0]["code"]
        assert done.returncode in (1, 2)
        assert done.stderr == ""


def test_a_failure_in_json_has_its_place_and_what_was_remarked_before(
    here: Here, tmp_path: Path
) -> None:
    (tmp_path / "web.yaml").write_text("os: {uki: {mode: passthrough}, hostname: a_b}\n")
    done = here("validate-config", str(tmp_path / "web.yaml"), "--json")
    answer = json.loads(done.stdout)
    [problem] = answer["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("config.hostname", 1, 42)
    crash = STUMBLE.replace("ERROR", "KeyError('x')").replace(
        "raise", "from dockyard.cli.verb import remark; remark([PROBLEM]); raise"
    )
    problem = "__import__('dockyard.errors').errors.Problem('a.b', 'told before')"
    done = subprocess.run(
        [sys.executable, "-c", crash.replace("PROBLEM", problem), "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    answer = json.loads(done.stdout)
    assert [each["code"] for each in answer["problems"]] == ["cli.internal"]
    assert [each["what"] for each in answer["remarks"]] == ["told before"]


def test_the_documentation_has_the_result_of_every_verb() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/json.md").read_text()
    for words in leaves(dockyard, []):
        assert f"| `{' '.join(words)}` |" in page


def test_the_image_file_can_be_named_with_an_option_everywhere(here: Here, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    image.write_text("hostname: a\n")
    verbs = ("build", "plan", "lock", "boot", "validate-config", "customize")
    for words in (*((verb,) for verb in verbs), ("create", "--rpm-source", str(tmp_path))):
        for named in (("--config-file", str(image)), (str(image),)):
            done = here(*words, *named)
            assert done.returncode == 1, done.stderr
            assert f"{image}:1:1" in done.stderr


def test_a_comparison_that_cannot_be_made_is_no_difference(here: Here, tmp_path: Path) -> None:
    done = here("diff", str(tmp_path / "one.raw"), str(tmp_path / "two.raw"))
    assert done.returncode == 2 and "cannot be read" in done.stderr
    done = here("inspect", str(tmp_path / "one.raw"))
    assert done.returncode == 1


def test_a_verb_that_takes_words_says_which(here: Here) -> None:
    assert "write dockyard inspect IMAGE." in here("inspect", "--image-file", "a.raw").stderr
    assert "write dockyard diff BEFORE AFTER." in here("diff", "a.raw").stderr


def test_what_image_customizer_takes_before_all_verbs_is_taken(here: Here, tmp_path: Path) -> None:
    given = ("--config-file", str(tmp_path / "a"), "--image-file", str(tmp_path / "b"))
    for words in (("inject-files", *given), ("convert", *given[2:], "--output-path", "c",
                                             "--output-image-format", "raw")):  # fmt: skip
        verb, *rest = words
        done = here("--log-level=debug", "--disable-telemetry", verb, *rest, "--tools-dir", "t")
        assert done.returncode == 1, done.stderr
        assert "error[usage]" not in done.stderr


def test_an_answer_that_cannot_be_written_is_told() -> None:
    for words in (["tools"], ["--help"], ["schema", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-c", CODE, *words], stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert done.returncode == 1
        assert "No space left on device" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_reader_that_went_away_is_no_matter() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", CODE, "tools"], stdout=pipe, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "")


STUMBLE = """
import dockyard.cli.doctor as doctor, dockyard.host.doctor as host
from dockyard.cli.main import main
def stumble(store): raise ERROR
host.examine = stumble
main()
"""


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    ("error", "code", "logged"),
    [
        ("KeyError('unforeseen')", "cli.internal", "KeyError: 'unforeseen'"),
        ("OSError(5, 'It broke', '/x')", "cli.system", "OSError: [Errno 5] It broke: '/x'"),
    ],
)
def test_an_unforeseen_exception_asks_for_a_report_and_names_the_log(
    error: str, code: str, logged: str, more: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUMBLE.replace("ERROR", error), "doctor", *more],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "Traceback" not in told and code in told and "report it" in told
    (log,) = tmp_path.glob("dockyard-*.log")
    assert str(log) in told
    assert logged in log.read_text() and "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_too_little_memory_is_no_defect(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUMBLE.replace("ERROR", "MemoryError"), "doctor"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "cli.memory" in done.stderr and "report it" not in done.stderr


def test_a_valid_file_that_a_build_refuses_is_told_so(here: Here, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    image.write_text("storage: {reinitializeVerity: all}\n")
    done = here("validate-config", str(image))
    assert done.returncode == 0, done.stderr
    assert "note[build.not-acted-on]: `storage.reinitializeVerity`" in done.stderr
    assert "note[build.no-distro]" in done.stderr
    assert "stop" in done.stdout
    answer = json.loads(here("validate-config", str(image), "--json").stdout)
    assert answer["ok"] and answer["result"]["buildable"] is False
    assert {each["severity"] for each in answer["remarks"]} == {"note"}


def test_what_a_format_says_of_a_file_is_told_when_it_is_validated(
    here: Here, tmp_path: Path
) -> None:
    image = tmp_path / "image.yaml"
    image.write_text("os: {hostname: a}\noutput: {image: {format: sysext, path: o, oci: {}}}\n")
    done = here("validate-config", str(image), "--image-file", str(_disk(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "note[format.other-section]: output.image.oci" in done.stderr
    assert "note[format.extension-outside]: `os.hostname` changes /etc/hostname" in done.stderr
    assert "`dockyard customize` would stop" in done.stdout
    done = here("validate-config", str(image))
    assert "note[format.extension-of-nothing]" in done.stderr


def _disk(folder: Path) -> Path:
    (folder / "disk.raw").write_bytes(bytes(4096))
    return folder / "disk.raw"


@pytest.mark.parametrize("noun", ["distro", "tools"])
def test_the_help_of_a_noun_breaks_no_sentence_off(noun: str, here: Here) -> None:
    told = here(noun, "--help").stdout
    _, _, verbs = told.partition("Verbs:")
    assert verbs and "..." not in verbs


def test_the_help_names_every_format_that_is_written(here: Here) -> None:
    told = "".join(here("build", "--help").stdout.split())
    *first, last = ImageFormat
    assert f"Formatoftheimage:{','.join(first)}or{last}." in told


def test_a_hash_that_a_build_refuses_is_noted(here: Here, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    users = (("a", "plain-text", "secret"), ("b", "hashed", "secret"), ("c", "hashed-file", "gone"))
    image.write_text(
        "os:\n  users:\n"
        + "".join(
            f"    - {{name: {name}, password: {{type: {kind}, value: {value}}}}}\n"
            for name, kind, value in users
        )
    )
    done = here("validate-config", str(image))
    assert done.returncode == 0, done.stderr
    assert f"{image}:4:" in done.stderr and done.stderr.count("note[tree.") == 1
    assert "note[tree.not-a-hash]" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_an_image_to_customize_is_not_asked_for_a_distro(here: Here, tmp_path: Path) -> None:
    image = tmp_path / "image.yaml"
    image.write_text("input:\n  image:\n    path: base.raw\nos:\n  hostname: a\n")
    told = here("validate-config", str(image)).stderr
    assert told == ""
    password = "{name: a, password: {type: hashed, value: x}}"
    image.write_text(f"input:\n  image:\n    path: base.raw\nos: {{users: [{password}]}}\n")
    done = here("validate-config", str(image))
    assert "note[tree.not-a-hash]" in done.stderr and "no-distro" not in done.stderr
    assert "`dockyard customize` would stop" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(shell: str, here: Here) -> None:
    assert "_DOCKYARD_COMPLETE" in here("completion", shell).stdout


def test_verbs_and_options_are_completed() -> None:
    found = ShellComplete(dockyard, {}, "dockyard", "_DOCKYARD_COMPLETE")
    assert [item.value for item in found.get_completions([], "bui")] == ["build"]
    assert "--jobs" in [item.value for item in found.get_completions(["build"], "--j")]
    assert [item.value for item in found.get_completions(["distro"], "lo")] == ["lock"]
