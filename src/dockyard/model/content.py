"""What is copied into the image or run in it: files, directories, scripts."""

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from dockyard.model.base import TARGET_PATH, Mistake, Model, Segment, absolute_path_mistakes
from dockyard.model.fields import LocalPath, Permissions, field


def permission_mistakes(value: int | None, key: str) -> Iterator[Mistake]:
    if value is not None and value & ~0o777:
        yield Mistake(
            (key,),
            "config.permissions",
            f"{key} {value:o} has bits beyond 777",
            "give up to three octal digits, such as 644",
            "set-user-id, set-group-id and sticky bits cannot be set here",
            reads=((key,),),
        )


# File systems that the kernel or systemd make at each start, above whatever the image has there.
_VOLATILE = ("/dev", "/proc", "/run", "/sys", "/var/lock", "/var/run")


def destination_mistakes(destination: str) -> Iterator[Mistake]:
    """The rules of where something is put in the image."""
    yield from absolute_path_mistakes(destination, "destination")
    path = posixpath.normpath("/" + destination.lstrip("/"))
    place = next((top for top in _VOLATILE if (path + "/").startswith(top + "/")), None)
    if place is not None:
        yield Mistake(
            ("destination",),
            "config.path-not-kept",
            f"what is put into {place} is gone when the system runs",
            "choose another destination; /usr/lib/tmpfiles.d makes files at each start",
            f"{place} is created, empty, each time the system starts",
            reads=(("destination",),),
        )


def same_destinations(files: Iterable["AdditionalFile"], *at: Segment) -> Iterator[Mistake]:
    """Files of one list that would take each other's place."""
    seen: set[str] = set()
    for index, file in enumerate(files):
        path = posixpath.normpath("/" + file.destination.lstrip("/"))
        if file.destination and path in seen:
            here = (*at, index, "destination")
            yield Mistake(
                here,
                "config.duplicate",
                f"two files are put at {path}",
                "keep one of them; a file that builds on this one may still replace it",
                reads=(here,),
            )
        seen.add(path)


class AdditionalFile(Model):
    """A file to put into the image."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": ["source"]}, {"required": ["content"]}],
        "required": ["destination"],
    }

    source: LocalPath = field(
        "File to copy. Excludes `content`.", default="", examples=["files/app.conf"]
    )
    content: str | None = field(
        "Text of the file. Excludes `source`.", default=None, examples=["key = value\n"]
    )
    destination: str = field(
        "Absolute path in the image.", default="", examples=["/etc/app.conf"], schema=TARGET_PATH
    )
    permissions: Permissions | None = field(
        "Permission bits, octal. Default: those of `source`, without set-id bits and without "
        "the right of group and others to write; 644 with `content`.",
        default=None,
        examples=["664"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if self.source and self.content is not None:
            yield Mistake(
                ("content",),
                "config.exclusive",
                "`source` and `content` exclude each other",
                "keep one of them",
            )
        if not self.source and self.content is None:
            yield Mistake(
                (),
                "config.required",
                "the file has neither `source` nor `content`",
                "add `source: <path>` or `content: <text>`",
            )
        yield from destination_mistakes(self.destination)
        yield from permission_mistakes(self.permissions, "permissions")


class AdditionalDir(Model):
    """A directory to copy into the image."""

    schema_rules: ClassVar[dict[str, Any]] = {"required": ["source", "destination"]}

    source: LocalPath = field("Directory to copy.", default="", examples=["files/site"])
    destination: str = field(
        "Absolute path in the image; it need not exist.",
        default="",
        examples=["/srv/www"],
        schema=TARGET_PATH,
    )
    new_dir_permissions: Permissions | None = field(
        "Permission bits of directories that are created. Default: 755.",
        default=None,
        examples=["755"],
    )
    merged_dir_permissions: Permissions | None = field(
        "Permission bits of directories that exist already. Default: they keep theirs. "
        "Their owners stay.",
        default=None,
        examples=["755"],
    )
    child_file_permissions: Permissions | None = field(
        "Permission bits of the files. Default: those of each source, without set-id bits and "
        "without the right of group and others to write.",
        default=None,
        examples=["644"],
    )

    def mistakes(self) -> Iterator[Mistake]:
        if not self.source:
            yield Mistake(
                ("source",), "config.required", "the directory has no `source`", "add `source`"
            )
        yield from destination_mistakes(self.destination)
        yield from permission_mistakes(self.new_dir_permissions, "newDirPermissions")
        yield from permission_mistakes(self.merged_dir_permissions, "mergedDirPermissions")
        yield from permission_mistakes(self.child_file_permissions, "childFilePermissions")


class Script(Model):
    """A script that runs in the image."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": ["path"]}, {"required": ["content"]}]
    }

    path: LocalPath = field(
        "Script to run, below the directory of the file. Excludes `content`.",
        default="",
        examples=["scripts/harden.sh"],
    )
    content: str = field(
        "Text of the script. Excludes `path`.", default="", examples=['echo "Hello"\n']
    )
    interpreter: str = field(
        "Program that runs the script. Default: the one in its `#!` line, or /bin/sh.",
        default="",
        examples=["python3"],
    )
    arguments: tuple[str, ...] = field(
        "Arguments of the script.", default=(), examples=[["--fast"]]
    )
    environment_variables: dict[str, str] = field(
        "Environment variables of the script.", default_factory=dict, examples=[{"ROLE": "worker"}]
    )
    name: str = field("Name of the script in reports.", default="", examples=["harden"])

    def mistakes(self) -> Iterator[Mistake]:
        if self.path and self.content:
            yield Mistake(
                ("content",),
                "config.exclusive",
                "`path` and `content` exclude each other",
                "keep one of them",
            )
        if not self.path and not self.content:
            yield Mistake(
                (),
                "config.required",
                "the script has neither `path` nor `content`",
                "add `path: <file>` or `content: <text>`",
            )
        for name in self.environment_variables:
            if not name or "=" in name or "\0" in name:
                yield Mistake(
                    ("environmentVariables", name),
                    "config.variable-name",
                    f"{name!r} is not the name of an environment variable",
                    "use letters, digits and '_'",
                )


class Scripts(Model):
    """Scripts that run in the image, in the order given."""

    post_customization: tuple[Script, ...] = field(
        "Scripts that run after all other settings are applied.", default=()
    )
    finalize_customization: tuple[Script, ...] = field(
        "Scripts that run last, after the package manager's files may be gone.", default=()
    )
