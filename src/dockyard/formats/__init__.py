"""The files that an image leaves the house in: one module per format, around a raw disk.

Every format is written from the same raw disk, deterministically: ids and times that a format
carries come from the seed and the epoch.
"""

from dockyard.formats.registry import Format, by_name, supported

__all__ = ["Format", "by_name", "supported"]
