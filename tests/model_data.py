"""Models from plain data, read as a file would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from dockyard.config import parse_model
from dockyard.model.base import Model

M = TypeVar("M", bound=Model)


def from_data(model: type[M], values: Mapping[str, object]) -> M:
    """The model that a file with these keys and values holds."""
    return parse_model(model, json.dumps(values, ensure_ascii=False))  # YAML holds JSON
