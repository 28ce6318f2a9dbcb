"""Options that say which image is meant, of those that were built: it is found again by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from dockyard.cli.choice import Choice, choice_options
from dockyard.cli.input_options import input_of
from dockyard.cli.options import EXISTING_FILE, package_source_options

if TYPE_CHECKING:
    from dockyard.cli.artefacts import Artefact

Command = TypeVar("Command", bound=Callable[..., Any])
YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Sought:
    """What the options say of an image that was built."""

    choice: Choice
    image_file: Path | None
    rpm_sources: tuple[Path, ...]
    without_image_repositories: bool
    snapshot_time: str

    def require_file(self, given: bool) -> None:
        """Raise UsageError where no image file is given, and an option speaks of what is in one."""
        if given:
            return
        idle = {
            "--set": self.choice.said,
            "--profile": self.choice.profiles,
            "--variant": self.choice.variants,
            "--image-file": self.image_file,
            "--rpm-source": self.rpm_sources,
            "--disable-base-image-rpm-repos": self.without_image_repositories,
            "--package-snapshot-time": self.snapshot_time,
        }
        if used := [option for option, value in idle.items() if value]:
            do = "does" if len(used) == 1 else "do"
            raise click.UsageError(f"{' and '.join(used)} {do} nothing without an image file")

    def artefact(self, file: Path, store: Path, **options: Any) -> Artefact:
        """What was made of an image file."""
        from dockyard.cli.artefacts import questions_for
        from dockyard.pipeline.overrides import Overrides

        overrides = Overrides(
            input_of(self.image_file, None),
            rpm_sources=self.rpm_sources,
            without_image_repositories=self.without_image_repositories,
            snapshot_time=self.snapshot_time,
        )
        return questions_for(self.choice.one(file), store, overrides=overrides, **options)


def sought_options(command: Command) -> Command:
    """`--image-file`, and the options of a choice and of package sources, as one `sought`."""

    @wraps(command)
    def told(
        *args: Any,
        choice: Choice,
        image_file: Path | None,
        rpm_source: tuple[Path, ...],
        disable_base_image_rpm_repos: bool,
        package_snapshot_time: str,
        **options: Any,
    ) -> Any:
        sought = Sought(
            choice, image_file, rpm_source, disable_base_image_rpm_repos, package_snapshot_time
        )
        return command(*args, sought=sought, **options)

    decorated = choice_options(package_source_options(cast(Command, told)))
    return click.option(
        "--image-file",
        type=EXISTING_FILE,
        help="The image that was customized. Default: input.image.path of the image file.",
    )(decorated)
