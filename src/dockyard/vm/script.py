"""What the guest runs: greet, take the questions from the port, answer them.

The guest needs sh, coreutils and systemd, nothing else. The greeting travels in the machine's
firmware tables and is small; the questions come over the port, where size has no limit.

Protocol, both ways over one virtio-serial port. The guest sends records:

    @KIND ID STATUS LENGTH\n
    LENGTH bytes of text\n

and the host sends a line of fixed length with the length of the script, then the script: bash reads
more than a line from some devices. Kinds are those of `report.Kind`. Lengths count bytes: the C
locale makes `${#text}` do so in every shell. Only builtins write records, because each process that
is started costs milliseconds under translation.

A guest with several processors answers as many questions at a time: each of its lanes goes through
all questions, the longest first, and takes those that no other lane has taken. Who takes one makes
a file that must not be there yet; who writes a record holds the one line that a FIFO has in it.
Both are done by the shell itself. Questions that have a turn of their own come before or after.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dockyard.tree.check import Check, Turn
from dockyard.vm.credentials import PORT

HEADER = 12
"""Bytes of the line that says how long a script is."""

_SAY = f"""\
export LC_ALL=C
umask 077
exec 3<>{PORT} || exit 1
say() {{
    printf '@%s %s %s %s\\n%s\\n' "$1" "$2" "$3" "${{#4}}" "$4" >&3
}}
"""

HELLO = f"""\
{_SAY}
mkdir -p /run/dockyard
read -r uptime _ </proc/uptime
say hello - 0 "$uptime"
size=$(head -c {HEADER} <&3)
head -c "$size" <&3 >/run/dockyard/questions
. /run/dockyard/questions
"""
"""The first script: asks the host for the questions, and goes on with them."""

EMERGENCY = f"""\
{_SAY}
say emergency - 0 "$(systemctl list-units --failed --plain --no-legend --no-pager 2>&1
journalctl -b -p warning -n 25 --no-pager -o cat 2>/dev/null)"
"""
"""The script of emergency mode: says which units failed and what was logged."""

STATE = """\
state=$(timeout {limit} systemctl is-system-running --wait 2>/dev/null)
status=$?
read -r uptime _ </proc/uptime
say uptime - 0 "$uptime"
[ $status != 124 ] ||
    say jobs - 0 "$(systemctl list-jobs --no-legend --no-pager --plain 2>&1)"
say state - $status "${{state:-$(systemctl is-system-running)}}"
for unit in $(systemctl list-units --failed --plain --no-legend --no-pager | cut -d ' ' -f 1); do
    say failed "$unit" 0 "$(systemctl status --no-pager --lines=20 --full "$unit" 2>&1)"
done
say times - 0 "$(systemd-analyze time 2>&1)"
"""
"""Waits until the system is up, at most `limit` seconds, and tells its state."""

_CHECKS = """\
mkdir -p /run/dockyard/taken
mkfifo /run/dockyard/turn
exec 4<>/run/dockyard/turn
echo >&4
tell() {
    read -r _ <&4
    say "$@"
    echo >&4
}
ask() {
    tell begin "$1" 0 ''
    text=$(timeout "$2" sh -c "$3" 2>"/run/dockyard/errors.$lane" </dev/null 3>&- 4>&-)
    status=$?
    [ ! -s "/run/dockyard/errors.$lane" ] ||
        tell errors "$1" 0 "$(tail -n 20 "/run/dockyard/errors.$lane")"
    tell check "$1" $status "$text"
}
take() {
    set -C
    { true >"/run/dockyard/taken/$1"; } 2>&-
    taken=$?
    set +C
    [ $taken != 0 ] || ask "$@"
}
cd /
lane=1
"""
_LANES = """for lane in {lanes}; do
    all &
done
lane=1
all
wait
"""


def questions(checks: Sequence[Check], seconds: float, *, power_off: bool, lanes: int = 1) -> bytes:
    """The second script: wait at most these seconds until the system is up, tell its state, and
    answer every check, by its place in the sequence. What is then sent ends the conversation.
    lanes: how many may be answered at a time.
    """
    asked: dict[Turn, list[str]] = {turn: [] for turn in Turn}
    for place, check in sorted(enumerate(checks), key=_longest_first):
        asked[check.turn].append(f"{place} {check.seconds} {shlex.quote(check.script)}")
    lines = [STATE.format(limit=max(1, int(seconds))), _CHECKS]
    lines += [f"ask {words}" for words in asked[Turn.BEFORE]]
    lines += ["all() {", "true", *(f"take {words}" for words in asked[Turn.ANY])]
    lines += ["}", _LANES.format(lanes=" ".join(map(str, range(2, lanes + 1))))]
    lines += [f"ask {words}" for words in asked[Turn.AFTER]]
    lines.append("say end - 0 ''")
    if power_off:
        lines.append("systemctl poweroff --no-block")
    script = "\n".join(lines).encode(errors="surrogateescape") + b"\n"
    return framed(script)


def _longest_first(asked: tuple[int, Check]) -> int:
    _, check = asked
    return -check.seconds if check.turn is Turn.ANY else 0


def framed(text: bytes) -> bytes:
    """What the host sends to have the guest take a script: its length, and the script."""
    return b"%0*d\n%s" % (HEADER - 1, len(text), text)
