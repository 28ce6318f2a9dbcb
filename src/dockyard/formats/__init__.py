"""The files that an image leaves the house in: one module per format, made of the image's parts.

Every format is written deterministically: ids and times that it carries come from the parts.
"""

from dockyard.formats.parts import Format, Part, Parts
from dockyard.formats.registry import Holds, by_name, holding, supported

__all__ = ["Format", "Holds", "Part", "Parts", "by_name", "holding", "supported"]
