"""Users and groups of an image file, with their passwords, SSH keys and home directories."""

from __future__ import annotations

import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.host.in_root import InRoot
from dockyard.model.nearest import nearest
from dockyard.tree import password_age
from dockyard.tree.accounts import Account, Accounts
from dockyard.tree.check import Check
from dockyard.tree.plain_text import PlainText
from dockyard.tree.setting import Tree, fingerprint

_DAY = 86400
LOCKED = "!"
_SKELETON = "/etc/skel"


@dataclass(frozen=True, slots=True)
class GroupSetting:
    """One of `os.groups`. reserved: numbers that others ask for, and it must not take by chance."""

    name: str
    gid: int | None = None
    position: Position | None = None
    reserved: frozenset[int] = frozenset()

    @property
    def identity(self) -> dict[str, Any]:
        return {"group": self.name, "gid": self.gid, **_avoided(self.gid, self.reserved)}

    def describe(self) -> str:
        return f"group {self.name}" + (f" with number {self.gid}" if self.gid is not None else "")

    def apply(self, tree: Tree) -> None:
        accounts = Accounts(tree.files, tree.epoch // _DAY, self.reserved)
        accounts.add_group(self.name, self.gid)
        accounts.save()

    def checks(self) -> list[Check]:
        if self.gid is None:
            script, expect = f"getent group {self.name} | cut -d: -f1", self.name
        else:
            script, expect = f"getent group {self.name} | cut -d: -f1,3", f"{self.name}:{self.gid}"
        return [
            Check(
                f"groups.{self.name}", f"the group {expect} exists", script, expect, self.position
            )
        ]


@dataclass(frozen=True, slots=True)
class UserSetting:
    """One of `os.users`.

    password: the hash for shadow(5), LOCKED, or None to leave it; in clear only until its image is
    known, which gives its hash a salt. ssh_keys: whole authorized_keys
    lines. reserved: numbers that others ask for, and it must not take by chance.
    """

    name: str
    uid: int | None = None
    password: str | PlainText | None = None
    expires_days: int | None = None
    ssh_keys: tuple[str, ...] = ()
    primary_group: str | None = None
    secondary_groups: tuple[str, ...] = ()
    shell: str | None = None
    home: str | None = None
    position: Position | None = None
    reserved: frozenset[int] = frozenset()

    @property
    def identity(self) -> dict[str, Any]:
        return {
            **_avoided(self.uid, self.reserved),
            "user": self.name,
            "uid": self.uid,
            "password": None if self.hash is None else fingerprint(self.hash),
            "passwordExpiresDays": self.expires_days,
            "sshPublicKeys": list(self.ssh_keys),
            "primaryGroup": self.primary_group,
            "secondaryGroups": list(self.secondary_groups),
            "startupCommand": self.shell,
            "homeDirectory": self.home,
        }

    @property
    def hash(self) -> str | None:
        """What is to be in shadow(5), or None to leave it."""
        assert not isinstance(self.password, PlainText), "a password in clear is still to be hashed"
        return self.password

    def describe(self) -> str:
        groups = f" in {', '.join(self.secondary_groups)}" if self.secondary_groups else ""
        keys = (
            f", {len(self.ssh_keys)} SSH key{'s'[: len(self.ssh_keys) != 1]}"
            if self.ssh_keys
            else ""
        )
        return f"user {self.name}{groups}{keys}"

    def apply(self, tree: Tree) -> None:
        accounts = Accounts(tree.files, tree.epoch // _DAY, self.reserved)
        known = {group for group in self.groups if accounts.group_id(group) is not None}
        if lacking := self.lacking(known):
            raise DockyardError(*lacking)
        is_new = accounts.user(self.name) is None
        account = accounts.add_user(
            self.name, uid=self.uid, group=self.primary_group, home=self.home, shell=self.shell
        )
        for group in self.secondary_groups:
            accounts.add_member(group, self.name)
        if self.hash is not None:
            accounts.set_password(self.name, self.hash)
        if self.expires_days is not None:
            accounts.set_expiry(self.name, self.expires_days)
        accounts.save()
        if self._expires:
            password_age.count_from_first_boot(tree, self.name, self.position)
        if is_new or self.home is not None or self.ssh_keys:
            self._make_home(tree, account)
        if self.ssh_keys:
            self._write_keys(tree, account)

    @property
    def _expires(self) -> bool:
        return self.expires_days is not None and self.expires_days >= 0

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that the user is to be in."""
        return tuple(filter(None, (self.primary_group, *self.secondary_groups)))

    def lacking(self, known: Collection[str]) -> list[Problem]:
        """The problems of groups that are not among those of an image."""
        return [
            Problem(
                "tree.no-group",
                f"the user {self.name} is to be in the group {group}, which does not exist",
                self.position,
                fix=f"{_near(group, known)}add {group} to os.groups, or install the package that "
                "brings it",
            )
            for group in dict.fromkeys(self.groups)
            if group not in known
        ]

    def _make_home(self, tree: Tree, account: Account) -> None:
        """Make the home directory from /etc/skel, unless it is there (useradd(8)); refuse what is
        no directory.
        """
        if tree.files.lstat(account.home) is not None:
            if self.home is not None:  # packages may give /dev/null
                tree.files.make_directories(account.home)
            return
        # What is above belongs to all of its users: root's, and open to them.
        tree.files.make_directories(str(PurePosixPath(account.home).parent))
        tree.files.make_directories(account.home, mode=0o700, uid=account.uid, gid=account.gid)
        _copy_below(tree.files, _SKELETON, account.home, account)

    def _write_keys(self, tree: Tree, account: Account) -> None:
        directory = f"{account.home}/.ssh"
        tree.files.make_directories(directory, mode=0o700, uid=account.uid, gid=account.gid)
        tree.files.write(
            f"{directory}/authorized_keys",
            self._key_file(),
            mode=0o600,
            uid=account.uid,
            gid=account.gid,
        )

    def _key_file(self) -> bytes:
        return "".join(f"{key.strip()}\n" for key in self.ssh_keys).encode()

    def checks(self) -> list[Check]:
        found = [self._passwd_check(), self._shell_check(), self._group_check()]
        if self.secondary_groups:
            wanted = sorted({*self.secondary_groups})
            pattern = " ".join(f"-e {group}" for group in wanted)
            script = f"id -nG {self.name} | tr ' ' '\\n' | grep -Fx {pattern} | sort"
            title = f"{self.name} is in {', '.join(wanted)}"
            found.append(self._check("groups", title, script, "\n".join(wanted)))
        if self.hash is not None:
            found.append(self._password_check(self.hash))
        if self.expires_days is not None:
            found.append(self._expiry_check(self.expires_days))
        if self.ssh_keys:
            script = (
                f"cd ~{self.name}/.ssh && stat -c '%U %a' . authorized_keys"
                " && sha256sum authorized_keys | cut -d' ' -f1"
            )
            digest = fingerprint(self._key_file()).removeprefix("sha256:")
            expect = f"{self.name} 700\n{self.name} 600\n{digest}"
            found.append(
                self._check("ssh-keys", f"{self.name}'s SSH keys are as given", script, expect)
            )
        return found

    def _passwd_check(self) -> Check:
        fields = {1: self.name, 3: self.uid, 6: self.home, 7: self.shell}
        chosen = {number: str(value) for number, value in fields.items() if value is not None}
        script = f"getent passwd {self.name} | cut -d: -f{','.join(map(str, chosen))}"
        return self._check(
            "account", f"the user {self.name} exists", script, ":".join(chosen.values())
        )

    def _shell_check(self) -> Check:
        script = (
            f"shell=$(getent passwd {self.name} | cut -d: -f7)\n"
            'test -x "${shell:-/bin/sh}" && echo can be run || echo "$shell cannot be run"'
        )
        return self._check("shell", f"{self.name}'s shell can be run", script, "can be run")

    def _group_check(self) -> Check:
        if self.primary_group is None:
            script = f"getent group $(id -g {self.name}) >/dev/null && echo exists"
            return self._check(
                "primary-group", f"{self.name}'s primary group exists", script, "exists"
            )
        title = f"{self.name}'s primary group is {self.primary_group}"
        return self._check("primary-group", title, f"id -gn {self.name}", self.primary_group)

    def _password_check(self, password: str) -> Check:
        # The hash itself must not appear in a report; its digest tells as much.
        script = (
            f"getent shadow {self.name} | cut -d: -f2 | tr -d '\\n' | sha256sum | cut -d' ' -f1"
        )
        state = "locked" if password == LOCKED else "set as given"
        expect = fingerprint(password).removeprefix("sha256:")
        return self._check("password", f"{self.name}'s password is {state}", script, expect)

    def _expiry_check(self, days: int) -> Check:
        if not self._expires:
            script = f"days=$(getent shadow {self.name} | cut -d: -f5); echo ${{days:-never}}"
            title = f"{self.name}'s password never expires"
            return self._check("password-expires", title, script, "never")
        title = f"{self.name}'s password expires {days} days after the first boot"
        expect = f"{days} days, counted from the first boot"
        script = password_age.counted_script(self.name)
        return self._check("password-expires", title, script, expect)

    def _check(self, part: str, title: str, script: str, expect: str) -> Check:
        return Check(f"users.{self.name}.{part}", title, script, expect, self.position)


def _copy_below(files: InRoot, source: str, target: str, owner: Account) -> None:
    """Copy what is below a directory of the tree, with its modes, for a user."""
    for name in files.names(source):
        path, copy = f"{source}/{name}", f"{target}/{name}"
        found = files.lstat(path)
        if found is None:
            continue
        mode, ids = stat.S_IMODE(found.st_mode), {"uid": owner.uid, "gid": owner.gid}
        if stat.S_ISDIR(found.st_mode):
            files.make_directories(copy, mode=mode, **ids)
            _copy_below(files, path, copy, owner)
        elif stat.S_ISLNK(found.st_mode):
            files.symlink(copy, files.read_link(path))
            files.set_attributes(copy, mode=mode, **ids)
        elif stat.S_ISREG(found.st_mode):
            files.write(copy, files.read(path), mode=mode, **ids)


def _avoided(number: int | None, reserved: frozenset[int]) -> dict[str, Any]:
    """What numbers that others ask for have to do with an identity: nothing, where one is given."""
    return {} if number is not None or not reserved else {"avoids": sorted(reserved)}


def _near(group: str, known: Collection[str]) -> str:
    near = nearest(group, sorted(known), 2, 0.75)
    return f"did you mean {' or '.join(near)}? Otherwise " if near else ""
