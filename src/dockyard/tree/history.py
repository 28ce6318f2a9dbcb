"""What an image says of how it was made, in the files of Image Customizer.

    /etc/image-customizer-release                 of the last time: TOOL_VERSION, BUILD_DATE,
                                                  IMAGE_UUID, each a quoted value
    /usr/share/image-customizer/history.json      of every time, the first first: an array of
                                                  {timestamp, toolVersion, imageUuid, config, …}

Times are UTC. Both can be read by everybody, and hold no secrets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dockyard.errors import DockyardError, Position, Problem
from dockyard.tree.check import Check
from dockyard.tree.setting import Tree

RELEASE = "/etc/image-customizer-release"
HISTORY = "/usr/share/image-customizer/history.json"

# Prints the last line with a UUID, by the shell alone.
_LAST_UUID = f"""\
while read -r line; do
    case $line in *'"imageUuid": '*) last=$line ;; esac
done < {HISTORY}
printf '%s' "$last"
"""


@dataclass(frozen=True, slots=True)
class HistorySetting:
    """The record of one customization. version: of Dockyard. epoch: seconds. uuid: the image's.
    record: what else the entry has, as JSON.
    """

    version: str
    epoch: int
    uuid: str
    record: str
    position: Position | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"history": self.entry}

    @property
    def date(self) -> str:
        """The time, UTC, as RFC 3339 has it."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def entry(self) -> dict[str, Any]:
        """The entry in the history."""
        return {
            "timestamp": self.date,
            "toolVersion": self.version,
            "imageUuid": self.uuid,
            **json.loads(self.record),
        }

    @property
    def release(self) -> str:
        """The text of the release file."""
        return (
            f'TOOL_VERSION="{self.version}"\nBUILD_DATE="{self.date}"\nIMAGE_UUID="{self.uuid}"\n'
        )

    def describe(self) -> str:
        return f"record of the customization, {HISTORY}"

    def apply(self, tree: Tree) -> None:
        """Raises DockyardError (`tree.history`) for a history that is there and is none."""
        text = tree.files.read_text(HISTORY)
        try:
            before = json.loads(text) if text.strip() else []
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(before, list):
            raise self._damaged("it is no array")
        tree.files.make_directories(HISTORY.rpartition("/")[0])
        tree.files.write(HISTORY, _encoded([*before, self.entry]))
        tree.files.write(RELEASE, self.release.encode())

    def _damaged(self, why: str) -> DockyardError:
        return DockyardError(
            Problem(
                "tree.history",
                f"the history in the image cannot be gone on with: {HISTORY}",
                self.position,
                why=why,
                fix="remove the file by an earlier customization, or write no record with "
                "os.imageHistory: none",
            )
        )

    def checks(self) -> list[Check]:
        """One question: what the file of an image shapes, its record has, so that a file that
        changed since would be told by each that is asked of it.
        """
        title = "the image's last record is of its file, and what that names, as they are now"
        told = f'{self.release}"imageUuid": "{self.uuid}",'
        script = f"cat {RELEASE}\n{_LAST_UUID}"
        return [Check("history", title, script, told, self.position)]


def _encoded(history: list[Any]) -> bytes:
    """A history as bytes; what its text has that no encoding holds, as JSON escapes."""
    data = json.dumps(history, indent=1, ensure_ascii=False)
    try:
        return f"{data}\n".encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return f"{json.dumps(history, indent=1)}\n".encode()
