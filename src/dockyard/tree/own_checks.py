"""The user's own questions to a booted image, as scripts for the guest's sh.

A unit, a port or a URL may need a moment after the system is up: they are asked once a second
until they hold or their time is over. Ports are looked up in proc(5): no program is needed for it.
A command may do anything: these are asked one by one, in their order, when all else is answered.
"""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from dockyard.config import LoadedImage
from dockyard.model.checks import ImageCheck
from dockyard.model.os_rules import unit_name
from dockyard.tree.check import Check, Turn

# What the shell needs beyond the time that a question may take.
_MARGIN = 10

_RETRIED = """\
ask() {{
{ask}
}}
tries=0
while told=$(ask); [ "$told" != {expect} ]; do
    tries=$((tries + 1))
    [ $tries -lt {seconds} ] || break
    sleep 1
done
echo "$told"
"""

_UNIT = """\
    state=$(systemctl is-active {unit})
    again=$(systemctl show --value --property=NRestarts {unit})
    [ "${{again:-0}}" -lt 3 ] && echo "$state" || echo "$state, started again $again times"
"""

# A line of /proc/net/tcp: number, local address:port in hex, remote, state; 0A is LISTEN.
_PORT = """\
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | (
        while read -r _ local _ state _; do
            case $local/$state in *:{port:04X}/0A) echo listening; exit ;; esac
        done
        echo "nothing listens"
    )
"""

_URL = """\
    if command -v curl >/dev/null; then
        curl --silent --show-error --output /dev/null --write-out '%{{http_code}}' \\
            --max-time {seconds} {url}
    elif command -v bash >/dev/null && [ {scheme} = http ]; then
        timeout {seconds} bash -c {bash}
    else
        echo "the image has no curl to ask with"
    fi
"""
_BASH = """\
exec 3<>/dev/tcp/{host}/{port} || exit
printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' {target} {host} >&3
read -r _ status _ <&3
echo "$status"
"""

_COMMAND = """\
(
{command}
) >&2
echo "status $?"
"""
_OUTPUT = """\
text=$(
{command}
)
status=$?
printf '%s\\n' "$text"
[ $status = 0 ] || echo "status $status"
"""


def own_checks(loaded: LoadedImage) -> list[Check]:
    """The checks of an image file's `checks`."""
    found = []
    for index, item in enumerate(loaded.image.checks):
        script, expect = _question(item)
        where = loaded.position(f"checks[{index}]")
        seconds = item.timeout + _MARGIN
        id = f"checks[{index}]"
        found.append(Check(id, item.title, script, expect, where, seconds, Turn.AFTER))
    return found


def _question(item: ImageCheck) -> tuple[str, str]:
    """The script and what it is to print."""
    if item.command:
        if item.output is not None:
            return _OUTPUT.format(command=item.command), item.output
        return _COMMAND.format(command=item.command), "status 0"
    if item.unit:
        unit = shlex.quote(unit_name(item.unit))
        return _retried(_UNIT.format(unit=unit), "active", item.timeout)
    if item.port is not None:
        return _retried(_PORT.format(port=item.port), "listening", item.timeout)
    return _retried(_url(item), str(item.status or 200), item.timeout)


def _retried(ask: str, expect: str, seconds: int) -> tuple[str, str]:
    return _RETRIED.format(ask=ask, expect=expect, seconds=seconds), expect


def _url(item: ImageCheck) -> str:
    parts = urlsplit(item.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    bash = _BASH.format(
        host=shlex.quote(parts.hostname or ""), port=parts.port or 80, target=shlex.quote(target)
    )
    return _URL.format(
        seconds=max(1, item.timeout // 2),
        url=shlex.quote(item.url),
        scheme=parts.scheme,
        bash=shlex.quote(bash),
    )
