"""The command as a whole: quick help, errors without a traceback, exit statuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dockyard.cli.main import VERBS, dockyard

CODE = "from dockyard.cli.main import main; main()"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True)


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
        "print(sorted({'pydantic', 'solv', 'rich', 'urllib3', 'yaml'} & set(sys.modules)))"
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
