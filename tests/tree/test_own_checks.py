"""The user's own questions: their rules, and what this host's shell answers to them."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.config import parse_image
from dockyard.errors import DockyardError
from dockyard.tree.check import Turn
from dockyard.tree.own_checks import own_checks


def ask(check: str, path: str = "/usr/bin:/bin") -> tuple[bool, str]:
    (found,) = own_checks(parse_image(f"checks:\n  - {check}\n", "image.yaml"))
    assert found.turn is Turn.AFTER
    done = subprocess.run(
        ["sh", "-c", found.script], env={"PATH": path}, capture_output=True, text=True
    )
    return done.stdout.strip() == found.expect.strip(), done.stdout.strip()


@pytest.fixture
def server() -> Iterator[int]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield int(made.server_address[1])
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        ("{command: 'test -d /'}", True),
        ("{command: 'echo told; false'}", False),
        ("{command: 'exit 0'}", True),
        ("{command: 'if then'}", False),
        ("{command: 'echo a; echo b', output: \"a\\nb\\n\"}", True),
        ("{command: 'echo a; false', output: a}", False),
        ("{command: 'echo b', output: a}", False),
    ],
)
def test_commands(check: str, holds: bool) -> None:
    assert ask(check)[0] is holds


@pytest.mark.parametrize("program", ["curl", "bash"])
def test_ports_and_urls(server: int, program: str, tmp_path: Path) -> None:
    assert ask(f"{{port: {server}, timeout: 1}}") == (True, "listening")
    assert ask("{port: 1, timeout: 1}") == (False, "nothing listens")
    path = "/usr/bin:/bin"
    if program == "bash":
        for name in ("bash", "sh", "timeout", "sleep", "cat"):
            (tmp_path / name).symlink_to(f"/bin/{name}")
        path = str(tmp_path)
    url = f"http://127.0.0.1:{server}"
    assert ask(f"{{url: '{url}/', timeout: 4}}", path) == (True, "200")
    assert ask(f"{{url: '{url}/none', timeout: 2}}", path) == (False, "404")
    assert ask(f"{{url: '{url}/none', status: 404, timeout: 2}}", path)[0]


def test_a_unit_must_be_active_and_not_started_again(tmp_path: Path) -> None:
    systemctl = tmp_path / "systemctl"
    for state, restarts, holds in (("active", 0, True), ("active", 3, False), ("failed", 0, False)):
        systemctl.write_text(
            f"#!/bin/sh\ncase $1 in is-active) echo {state} ;; *) echo {restarts} ;; esac\n"
        )
        systemctl.chmod(0o755)
        assert ask("{unit: app, timeout: 1}", f"{tmp_path}:/usr/bin:/bin")[0] is holds


@pytest.mark.parametrize(
    ("check", "code"),
    [
        ("{}", "config.required"),
        ("{unit: a, port: 1}", "config.exclusive"),
        ("{unit: a, output: b}", "config.required"),
        ("{command: a, status: 200}", "config.required"),
        ("{port: 0}", "config.out-of-range"),
        ("{port: 70000}", "config.out-of-range"),
        ("{unit: a, timeout: 0}", "config.out-of-range"),
        ("{unit: 'a b'}", "config.service-name"),
        ("{url: ftp://a/}", "config.url"),
        ("{url: 'http://a b/'}", "config.url"),
        ("{url: 'http://a:x/'}", "config.url"),
        ("{name: a}", "config.required"),
    ],
)
def test_what_is_no_question_is_told_where_it_stands(check: str, code: str) -> None:
    with pytest.raises(DockyardError) as caught:
        parse_image(f"checks:\n  - {check}\n", "image.yaml")
    assert [problem.code for problem in caught.value.problems] == [code]
    assert "image.yaml:2" in str(caught.value.problems[0].where)
