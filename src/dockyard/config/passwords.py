"""Where the files of one image have passwords in clear, and which variables stand for secrets.

Every file of a chain counts, and all of it: a password of a profile that is not chosen, or one that
a file on top replaces, is as readable in its file as one that is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.config.secrets import names_in
from dockyard.config.source import Mapping, Node, Scalar, Sequence
from dockyard.model.image import Image
from dockyard.model.users import PasswordType

_SECRET = ("password", "environmentVariables")


@dataclass
class Passwords:
    """What is known of the files of one image.

    variables: those that stand in passwords, and in the environment of scripts.
    """

    variables: set[str] = field(default_factory=set)
    _clear: dict[Path, None] = field(default_factory=dict)
    _with_values: dict[Path, None] = field(default_factory=dict)
    _text: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Files with a password in clear. What declares variables may have it as their value."""
        with_values = self._with_values if self._text and self.variables else {}
        return tuple({**self._clear, **with_values})

    def note(self, path: Path, root: Node, image: Image | None) -> None:
        """Take in one file. root: as it is written. image: what it says, where that is sound."""
        self.variables.update(_names(root, secret=False))
        if isinstance(root, Mapping) and any(root.get(key) for key in ("variables", "matrix")):
            self._with_values[path] = None
        for part in (image, *image.profiles.values()) if image is not None else ():
            for user in part.os.users:
                if user.password and user.password.type is PasswordType.PLAIN_TEXT:
                    self._clear[path] = None
                    self._text = True
                elif user.password and user.password.type is PasswordType.PLAIN_TEXT_FILE:
                    self._clear[path.absolute().parent / user.password.value] = None


def _names(node: Node, *, secret: bool) -> Iterator[str]:
    """Variables that stand where secrets do."""
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield from _names(value, secret=secret or key.text in _SECRET)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _names(item, secret=secret)
    elif isinstance(node, Scalar) and secret:
        yield from names_in(node.text)
