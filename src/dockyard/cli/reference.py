"""The reference pages below docs/reference: Markdown from the models and from the commands."""

from __future__ import annotations

from collections.abc import Iterator

import click

_CLI = """\
# The command line

Every verb, made from the commands themselves. Exit status: 0 done; 1 it failed, or a check did;
2 the command line was wrong; 130 or 143 when SIGINT or SIGTERM stopped it. Answers go to standard
output, progress and errors to standard error.

Colours are for terminals; `NO_COLOR` and `TERM=dumb` leave them out, `TERM=dumb` also the bars.
Every verb takes `--json`, see [what programs read](json.md). Verbs that work take `-q`, `-v` and
`--log-file`, and keep a log of every program that ran and what it printed in the store's directory
`logs`; it is named at the end, and when something fails.

| variable | meaning |
| --- | --- |
| `DOCKYARD_STORE` | the store, in place of `~/.cache/dockyard` (or `$XDG_CACHE_HOME/dockyard`) |
| `DOCKYARD_STORE_LIMIT` | how much it may hold: `40G`, `30%` of the disk, or `none` |
| `DOCKYARD_DEBIAN_MIRROR` | addresses of Debian archives, or NAME=ADDRESS, separated by spaces |
| `DOCKYARD_RPM_MIRROR` | mirrors of the RPM distribution of images, separated by spaces |
| `DOCKYARD_RPM_KEY` | files with keys of its repositories, separated by colons |
| `DOCKYARD_MIRROR_DIR` | directories that `dockyard fetch` filled, separated by colons |
| `DOCKYARD_AZURE_LINUX` | registry and path below which Azure Linux is published |
| `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE` | where logins of registries are, as for Docker and Podman |
| `SOURCE_DATE_EPOCH` | of `create`: the time of all that is made, in seconds since 1970 |
| `DOCKYARD_TOOLS_LOCK` | a lock of the tools in place of yours, or of Dockyard's own |
| `DOCKYARD_LIMIT_…` | limits of programs in the sandbox, see [security](../concepts/security.md) |
| `NO_COLOR` | anything: no colours |
"""

_ABOUT_EXISTING = """\
# Keys for images that exist

These keys ask for an image that exists: `dockyard customize` does what they say. They are valid,
and `validate-config` accepts them. `build` and `create` make a new image; they stop before they
start and name such a key, for nothing is ever accepted and ignored.
"""


def pages() -> dict[str, str]:
    """File name below docs/reference → text of the page."""
    from dockyard.config import reference as config
    from dockyard.config.bundled import bundled_distros
    from dockyard.distro import definitions_page
    from dockyard.distro import reference as distro

    return {
        "cli.md": cli_markdown(),
        "differences.md": config.differences_markdown(),
        "distro.md": distro.markdown(),
        "distributions.md": definitions_page.markdown(bundled_distros()),
        "existing-images.md": existing_images_markdown(),
        "image.md": config.markdown(),
    }


def cli_markdown() -> str:
    """The page of all verbs."""
    from dockyard.cli.main import dockyard

    sections = [_section(name, command) for name, command in _verbs(dockyard, "dockyard")]
    return "\n".join([_CLI, *sections]).rstrip() + "\n"


def existing_images_markdown() -> str:
    """The page of valid keys that a build refuses."""
    from dockyard.pipeline.acted_on import ABOUT_EXISTING

    rows = [
        f"| `{key}` | {refused.asks_for} | {refused.instead} |"
        for key, refused in ABOUT_EXISTING.items()
    ]
    head = "| Key | What it asks for | In a build |\n| --- | --- | --- |\n"
    return f"{_ABOUT_EXISTING}\n{head}" + "\n".join(rows) + "\n"


def _verbs(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _verbs(command, f"{path} {name}")


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command)
    usage = " ".join((name, *command.collect_usage_pieces(context)))
    about = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    rows = [row for parameter in command.params if (row := _row(parameter, context))]
    table = "| Option | What it does |\n| --- | --- |\n" + "\n".join(rows) + "\n" if rows else ""
    return f"## `{name}`\n\n```text\n{usage}\n```\n\n{about}\n" + (f"\n{table}" if table else "")


def _row(parameter: click.Parameter, context: click.Context) -> str:
    record = parameter.get_help_record(context)
    if record is None or not isinstance(parameter, click.Option):
        return ""
    names, text = (" ".join(part.split()).replace("|", "\\|") for part in record)
    many = " May be given more than once." if parameter.multiple else ""
    return f"| `{names}` | {text}{many} |"
