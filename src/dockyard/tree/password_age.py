"""Has the first boot of a machine start to count the days of `passwordExpiresDays`.

An image may be months old when a machine first starts from it: days counted from its build would
be over, and the user locked out. So the image says no day of the last change, which suspends ageing
(shadow(5)), and this unit sets the day once, before anyone can log in, by the machine's own clock.
"""

from __future__ import annotations

from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.setting import Tree

CHAGE = "/usr/bin/chage"
UNIT = "dockyard-password-age.service"
STAMP = "/var/lib/dockyard/password-age"
_SCRIPT = "/usr/lib/dockyard/password-age"
_UNITS = "/usr/lib/systemd/system"

_UNIT_TEXT = f"""\
# Made by Dockyard for users with passwordExpiresDays.
[Unit]
Description=Count the age of passwords from this first boot
Documentation=man:shadow(5) man:chage(1)
After=local-fs.target time-set.target
Before=systemd-user-sessions.service
ConditionPathExists=!{STAMP}
ConditionPathIsReadWrite=/etc

[Service]
Type=oneshot
ExecStart={_SCRIPT}
"""

_SCRIPT_TEXT = f"""\
#!/bin/sh
# Dates the passwords that are to expire, and have no day of their last change, with today.
set -eu
today=$(($(date +%s) / 86400))
while IFS=: read -r name _ changed _ days _; do
    if [ -z "$changed" ] && [ -n "$days" ]; then
        {CHAGE} --lastday "$today" "$name" </dev/null
    fi
done </etc/shadow
mkdir -p {STAMP.rpartition("/")[0]}
: >{STAMP}
"""


def count_from_first_boot(tree: Tree, user: str, position: Position | None) -> None:
    """Put the unit into a tree. Raises DockyardError when the tree has no chage(1)."""
    if tree.files.lstat(CHAGE) is None:
        raise DockyardError(
            Problem(
                "tree.no-chage",
                f"the days after which {user}'s password expires cannot be counted",
                position,
                why=f"the image has no {CHAGE}, with which the first boot begins to count them",
                fix="install the package that provides it: passwd or shadow-utils, by distribution",
            )
        )
    tree.files.write(_SCRIPT, _SCRIPT_TEXT.encode(), mode=0o755)
    tree.files.write(f"{_UNITS}/{UNIT}", _UNIT_TEXT.encode())
    tree.files.symlink(f"{_UNITS}/multi-user.target.wants/{UNIT}", f"../{UNIT}")


def counted_script(user: str) -> str:
    """A check's script: prints `DAYS days, counted from the first boot` when that is so."""
    return (
        f'line=$(getent shadow {user}); changed=$(echo "$line" | cut -d: -f3)\n'
        f"first=$(stat -c %Y {STAMP} 2>/dev/null || date +%s)\n"
        'since="from day ${changed:-unknown}"\n'
        '[ "$changed" != $((first / 86400)) ] || since="from the first boot"\n'
        'echo "$(echo "$line" | cut -d: -f5) days, counted $since"'
    )
