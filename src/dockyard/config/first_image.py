"""The image file that `dockyard init` writes: a server that boots, with one user who may log in.

It says what a first image must say and no more, in the order in which a person reads it. What is in
it is what the tutorial explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from dockyard.config.load import parse_image
from dockyard.errors import DockyardError, Problem
from dockyard.model import os_rules
from dockyard.model.base import Mistake
from dockyard.model.family import ESP_MOUNT
from dockyard.model.ssh_keys import doubts, holds_private_key
from dockyard.model.users import User

# What a server takes of each distribution that comes with Dockyard.
PACKAGES: Mapping[str, tuple[str, ...]] = {"harbor": ("harbor-server", "kernel")}
FILE_NAME = "image.yaml"

_TEXT = """\
# The image {title}. Every key is explained in docs/reference/image.md.
name: {name}
distro: {distro}

storage:
  bootType: efi
  disks:
    - partitionTableType: gpt
      partitions:
        - id: esp
          type: esp
          label: esp
          size: 128M
        - id: root
          type: root
          label: root
          size: 2G
  filesystems:
    - deviceId: esp
      type: vfat
      mountPoint:
        path: {esp}
        options: umask=0077
    - deviceId: root
      type: ext4
      mountPoint: /

os:
  bootloader:
    resetType: hard-reset
  hostname: {hostname}
  packages:
    install:
{packages}
{user}  services:
    enable:
      - sshd
  kernelCommandLine:
    extraCommandLine:
      - console=ttyS0
  uki:
    mode: create

output:
  image:
    format: {format}

# What `dockyard boot --check` asks beside what this file describes.
checks:
  - unit: sshd
"""
_USER = """\
  users:
    - name: {name}
      password:
        type: locked
{key}{groups}      startupCommand: /bin/bash
"""
_KEY = """\
      sshPublicKeys:
        - {key}
"""
_GROUPS = """\
      secondaryGroups:
        - sudo
"""
# Who has no password cannot give it to sudo.
_SUDO = """\
  additionalFiles:
    - content: |
        {name} ALL=(ALL:ALL) NOPASSWD: ALL
      destination: /etc/sudoers.d/{file}
      permissions: "440"
"""


@dataclass(frozen=True, slots=True)
class FirstImage:
    """What is asked of a person. user: empty for none. key: the line of an SSH public key, or
    empty. format: of the image that a build writes.
    """

    name: str
    distro: str = "harbor"
    format: str = "raw"
    user: str = ""
    key: str = ""


def name_mistake(name: str) -> str:
    """What is wrong with the name of an image, which is its host name as well; or an empty text."""
    if not name:
        return "an image needs a name"
    return next((_told(each) for each in os_rules.hostname(name)), "")


def user_mistake(name: str) -> str:
    """What is wrong with the name of a user; or an empty text."""
    mistakes = User(name=name).mistakes() if name else iter(())
    return next((_told(each) for each in mistakes if each.path == ("name",)), "")


def key_mistake(text: str) -> str:
    """What is wrong with the text of a public key's file; or an empty text. Never quotes it."""
    if holds_private_key(text):
        return "it is a private key; the public one is in the file that ends in .pub"
    if len(text.strip().splitlines()) != 1:
        return "one line with one public key is wanted"
    return next((f"it {each.what}" for each in doubts(text.strip())), "")


def first_image(wanted: FirstImage, where: str) -> str:
    """The text of the image file. where: its path, for messages. Raises DockyardError with every
    mistake.
    """
    problems = list(_problems(wanted))
    if problems:
        raise DockyardError(*problems)
    text = _TEXT.format(
        title=wanted.name,
        name=_scalar(wanted.name),
        distro=_scalar(wanted.distro),
        hostname=_scalar(wanted.name),
        packages="\n".join(f"      - {each}" for each in PACKAGES[wanted.distro]),
        user=_user(wanted),
        esp=ESP_MOUNT,
        format=wanted.format,
    )
    parse_image(text, where)
    return text


def _problems(wanted: FirstImage) -> Iterator[Problem]:
    for option, mistake in (
        ("--name", name_mistake(wanted.name)),
        ("--user", user_mistake(wanted.user)),
        ("--ssh-key", key_mistake(wanted.key) if wanted.key else ""),
    ):
        if mistake:
            yield Problem("init.value", mistake, option, fix=f"give another value to {option}")


def _user(wanted: FirstImage) -> str:
    if not wanted.user:
        return ""
    key = _KEY.format(key=_scalar(wanted.key)) if wanted.key else ""
    is_root = wanted.user == "root"
    user = _USER.format(name=_scalar(wanted.user), key=key, groups="" if is_root else _GROUPS)
    # sudo passes over files with a dot in their name.
    file = wanted.user.replace(".", "_")
    return user if is_root else user + _SUDO.format(name=wanted.user, file=file)


def _scalar(text: str) -> str:
    """A text as YAML has it on one line: in quotes where it would be a number or a word."""
    dumped = yaml.safe_dump(text, width=1 << 20, allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...").rstrip()


def _told(mistake: Mistake) -> str:
    return f"{mistake.what}; {mistake.fix}" if mistake.fix else mistake.what
