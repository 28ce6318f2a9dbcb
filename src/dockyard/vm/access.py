"""One boot with a person, or a program, who logs in over SSH.

The guest gets a key by credential, for one user and this boot; a port of this host's loopback
address leads to its SSH server. The server's host keys come over the port that the guest answers
by, so that ssh(1) knows whom it talks to. Nothing that the caller has for SSH is read or changed:
neither configuration nor known hosts nor agent. When the session ends, so does the guest.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dockyard.errors import DockyardError, Problem
from dockyard.host import process
from dockyard.host.loopback import ADDRESS, answers_ssh, free_port
from dockyard.host.process import BASE_ENVIRONMENT
from dockyard.host.sandbox import Tools
from dockyard.host.ssh_key import make_key
from dockyard.host.window import terminal_kind
from dockyard.vm import credentials, failure, script
from dockyard.vm.agent import Agent
from dockyard.vm.errand import HOST_KEYS, Errand
from dockyard.vm.guest import Progress
from dockyard.vm.launch import start
from dockyard.vm.qemu import Disk, Forward, Machine
from dockyard.vm.report import RecordKind

_ASK_SECONDS = 0.5
_REPLY_SECONDS = 60.0
_SSH_PORT = 22
_OPTIONS = (
    *("-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"),
    *("-o", "UpdateHostKeys=no", "-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes"),
    *("-o", "LogLevel=ERROR"),
)
_NO_SSH = (
    "vm.no-ssh",
    "the guest's SSH server did not answer",
    "the image needs openssh-server, enabled (sshd), and a network set up by DHCP",
)
_NO_KEYS = (
    "vm.no-host-key",
    "the guest did not tell the host keys of its SSH server",
    "sshd -T must name them in the guest; or use --shell, which needs no SSH server",
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in. key: a private key with its public one beside it (`.pub`); None for a key of
    this boot alone. words: a command to run instead of a shell.
    """

    user: str = "root"
    key: Path | None = None
    words: Sequence[str] = ()


def log_in(
    disk: Disk,
    tools: Tools,
    machine: Machine,
    login: Login,
    errand: Errand,
    *,
    console: Path,
    timeout: float,
    progress: Callable[[Progress], None] = lambda _: None,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Boot an image, log in, and give ssh's exit status. The guest ends with the session.

    errand: is done before. console: a file that receives what the guest prints. timeout: seconds
    until the SSH server answers. ready: is told the command by which others may log in meanwhile.
    Raises DockyardError when the guest or its SSH server does not come up.
    """
    port = free_port()
    machine = replace(machine, forwards=(*machine.forwards, Forward(port, _SSH_PORT)))
    smbios = credentials.for_checks(script.HELLO, script.EMERGENCY)
    with (
        TemporaryDirectory(prefix="dockyard-ssh-") as name,
        _key(login, Path(name)) as (key, public),
        console.open("wb") as log,
        start(
            machine,
            disk,
            tools,
            directory=console.parent,
            smbios=[*smbios, *credentials.for_login(login.user, public)],
        ) as (session, errors),
    ):
        agent = Agent(session, errors, console, log.write, errand, progress=progress)
        agent.until(RecordKind.READY, timeout)
        _until_ssh_answers(agent, port, timeout)
        known = Path(name) / "known_hosts"
        known.write_text(_known_hosts(agent, port))
        argv = ["ssh", *_OPTIONS, "-o", f"UserKnownHostsFile={known}", "-i", str(key)]
        argv += ["-p", str(port), f"{login.user}@{ADDRESS}"]
        ready(shlex.join(argv))
        status = _while_it_runs(_started([*argv, *login.words], tools, [known, key]), agent)
        if disk.kept:
            agent.power_off()
        return status


def _until_ssh_answers(agent: Agent, port: int, timeout: float) -> None:
    while not answers_ssh(port, _ASK_SECONDS):
        agent.look()
        agent.require_alive(float("inf"))
        if agent.session.elapsed > timeout:
            raise DockyardError(failure.problem(agent.log, agent.console, *_NO_SSH))


def _known_hosts(agent: Agent, port: int) -> str:
    """The host keys of the guest's SSH server, as ssh(1) is to know them."""
    agent.send(HOST_KEYS)
    told = agent.until(RecordKind.HOSTKEYS, agent.session.elapsed + _REPLY_SECONDS).text
    keys = [line.split()[:2] for line in told.splitlines() if len(line.split()) >= 2]
    if not keys:
        raise DockyardError(failure.problem(agent.log, agent.console, *_NO_KEYS))
    return "".join(f"[{ADDRESS}]:{port} {kind} {key}\n" for kind, key in keys)


def _started(argv: Sequence[str], tools: Tools, read: Sequence[Path]) -> subprocess.Popen[bytes]:
    """ssh(1) of the host on this process's terminal; that of the tools where the host has none."""
    streams = (sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno())
    env = {"TERM": terminal_kind()}
    if shutil.which("ssh", path=BASE_ENVIRONMENT["PATH"]):
        stdin, stdout, stderr = streams
        return process.start(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env)
    # ssh(1) asks who its user is, whom the tools do not know.
    passwd = read[0].with_name("passwd")
    passwd.write_text(f"caller:x:{os.getuid()}:{os.getgid()}::/nonexistent:/bin/sh\n")
    stdin, stdout, stderr = streams
    return tools.start(
        argv,
        read=read,
        network=True,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        overlays=[(passwd, "/etc/passwd")],
    )


def _while_it_runs(running: subprocess.Popen[bytes], agent: Agent) -> int:
    try:
        while (status := running.poll()) is None:
            agent.look()
            if agent.session.status is not None:
                running.terminate()
        return status
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()


@contextmanager
def _key(login: Login, directory: Path) -> Iterator[tuple[Path, str]]:
    if login.key is None:
        yield make_key(directory)
        return
    public = login.key.with_name(f"{login.key.name}.pub")
    try:
        text = public.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DockyardError(
            Problem(
                "vm.no-public-key",
                f"the public key {public} cannot be read",
                fix=f"make it with: ssh-keygen -y -f {login.key} > {public}",
            )
        ) from error
    yield login.key, text
