"""The conformance cases, and YAML as an editor's JSON schema check sees it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.config.decode import Decoder
from dockyard.config.report import Report
from dockyard.config.source import Mapping, Node, Scalar, Sequence, parse
from dockyard.config.variables import NOTHING, Scope, declared
from dockyard.errors import Problem
from dockyard.model.base import Model
from dockyard.model.image import Image, InjectFilesConfig, PackageList

MODELS: dict[str, type[Model]] = {
    "Config": Image,
    "InjectFilesConfig": InjectFilesConfig,
    "PackageList": PackageList,
}
FOLDER = Path(__file__).parents[3] / "shared" / "conformance" / "image-customizer"
MISSING = f"the conformance cases are not at {FOLDER.parent.name}/{FOLDER.name} beside the project"


@dataclass(frozen=True)
class Case:
    id: str
    type: str
    verdict: str
    messages: tuple[str, ...]
    yaml: str


def cases() -> list[Case]:
    """All cases; none where the folder is absent."""
    try:
        listed = json.loads((FOLDER / "config-cases.json").read_text("utf-8"))
    except FileNotFoundError:
        return []
    return [
        Case(it["id"], it["type"], it["verdict"], tuple(it["message_contains"]), it["yaml"])
        for it in listed
    ]


def judge(text: str, model: type[Model] = Image) -> tuple[Problem, ...]:
    """What is wrong with a document on its own."""
    report = Report()
    root = parse(text, "image.yaml", report)
    if root is not None:
        root = Scope(declared(root, "image.yaml"), {}, NOTHING, report).fill(root)
    value = Decoder(report, "image.yaml").read(model, root) if root is not None else None
    assert value is not None or report.problems
    return report.problems


def plain(node: Node) -> Any:
    """The tree as JSON data, scalars by the core schema of YAML 1.2."""
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    if not node.plain:
        return node.text
    if node.is_null:
        return None
    if node.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return node.text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(node.text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", node.text):
        return float(node.text)
    return node.text
