"""Who can log in, and which units are enabled."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.inspection.tree import Tree
from dockyard.model.digits import number_in

_NOT_SHELLS = ("/nologin", "/false", "/sync", "/shutdown", "/halt")
_UNITS = "/etc/systemd/system"
_LINKED = (".wants", ".requires", ".upholds")


@dataclass(frozen=True, slots=True)
class User:
    """An account. password: `none` (empty: anybody), `locked`, `set`. keys: how many SSH keys are
    authorised. login: whether its shell is one.
    """

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str
    keys: int
    groups: tuple[str, ...]

    @property
    def login(self) -> bool:
        return not self.shell.endswith(_NOT_SHELLS)


def users_of(tree: Tree) -> tuple[User, ...]:
    """The accounts of a tree, by uid and name."""
    hashes = {row[0]: row[1] for row in _rows(tree, "/etc/shadow", 2)}
    groups: dict[str, list[str]] = {}
    for row in _rows(tree, "/etc/group", 4):
        for member in dict.fromkeys(row[3].split(",")):
            groups.setdefault(member, []).append(row[0])
    found = []
    counted: dict[str, int] = {}
    for row in _rows(tree, "/etc/passwd", 7):
        name, password, uid, gid, _, home, shell = row[:7]
        user, group = number_in(uid), number_in(gid)
        if user is None or group is None:
            continue
        hashed = hashes.get(name, "") if password == "x" else password
        found.append(
            User(
                name,
                user,
                group,
                home,
                shell,
                _password(hashed),
                _keys(tree, f"{home}/.ssh/authorized_keys", counted),
                tuple(groups.get(name, ())),
            )
        )
    return tuple(sorted(found, key=lambda user: (user.uid, user.name)))


def _keys(tree: Tree, path: str, counted: dict[str, int]) -> int:
    """How many keys a file has. counted: those of files seen before, by digest: any number of
    accounts may have one file.
    """
    entry = tree.entry(path)
    if entry is None or entry.digest is None:
        return 0
    if entry.digest not in counted:
        lines = (tree.text(path) or "").splitlines()
        counted[entry.digest] = sum(1 for line in lines if line.strip() and line[0] != "#")
    return counted[entry.digest]


def _password(hashed: str) -> str:
    if not hashed:
        return "none"
    return "locked" if hashed[0] in "!*" else "set"


def _rows(tree: Tree, path: str, least: int) -> list[list[str]]:
    rows = (line.split(":") for line in (tree.text(path) or "").splitlines())
    return [row for row in rows if len(row) >= least and not row[0].startswith("#")]


@dataclass(frozen=True, slots=True)
class Services:
    """enabled: units that a directory of links in /etc starts. masked: units that cannot be
    started. default_target: empty where nothing says.
    """

    enabled: tuple[str, ...]
    masked: tuple[str, ...]
    default_target: str


def services_of(tree: Tree) -> Services:
    """The units that an administrator, or a preset, has chosen."""
    enabled: set[str] = set()
    masked: set[str] = set()
    for name in tree.names(_UNITS):
        if name.endswith(_LINKED):
            enabled.update(tree.names(f"{_UNITS}/{name}"))
        elif tree.link(f"{_UNITS}/{name}") == "/dev/null":
            masked.add(name)
    default = ""
    for place in (_UNITS, "/usr/lib/systemd/system"):
        default = default or (tree.link(f"{place}/default.target") or "").rpartition("/")[2]
    return Services(tuple(sorted(enabled)), tuple(sorted(masked)), default)
