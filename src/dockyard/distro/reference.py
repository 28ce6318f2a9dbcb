"""The reference page of a distribution's files: Markdown from their models."""

from __future__ import annotations

import re

from dockyard.config.reference import section
from dockyard.model import components, debian_archive, distro, scriptlets
from dockyard.model.base import Model

_TITLES: dict[type[Model], str] = {
    distro.Distro: "`distro.yaml`",
    distro.TrustedKey: "`trustedKey`",
    distro.Repository: "A repository",
    debian_archive.Archive: "`archive`",
    debian_archive.ArchiveSuite: "A suite of an archive",
    distro.Upstream: "`upstream`",
    distro.DebianUpstream: "`upstream.debian`",
    distro.DebianSuite: "A suite",
    components.ComponentsFile: "A file of components",
    components.Component: "A component",
    components.Package: "A package of our own",
    components.File: "A file",
    components.Directory: "A directory",
    components.Attribute: "An attribute",
    scriptlets.ScriptletsFile: "The file of scriptlets",
    scriptlets.Scriptlet: "A scriptlet",
}
_INTRODUCTION = """\
# The files of a distribution

Every key, made from the models that read the files. Unknown keys are errors.
"""


def markdown() -> str:
    """The reference page: what the files are, and one section per object."""
    about = (distro.__doc__ or "").strip().partition("\n\n")[2]
    sections = [section(model, title, _link) for model, title in _TITLES.items()]
    return "\n".join([_INTRODUCTION, about + "\n", *sections]).rstrip() + "\n"


def _link(model: type[Model]) -> str:
    anchor = re.sub(r"[^a-z0-9 -]", "", _TITLES[model].lower()).replace(" ", "-")
    return f"[{model.__name__}](#{anchor})"
