"""The canonical form of a root tree: written, read, merged, listed.

All attributes of every file, in one order, whoever made the tree and on whichever host. It is the
one thing that file systems, manifests and comparisons are made from.
"""

from dockyard.archive.archive import Archive, GivenSource, Source, TreeSource
from dockyard.archive.entry import Entry, Kind
from dockyard.archive.features import Features, features
from dockyard.archive.index import load, save
from dockyard.archive.manifest import manifest
from dockyard.archive.merge import merge
from dockyard.archive.scan import scan, scan_raw
from dockyard.archive.stream import streamed, write_stream
from dockyard.archive.stream_reader import read_stream, scan_stream
from dockyard.archive.subtree import joined, planted, subtree
from dockyard.archive.unpack import unpack
from dockyard.archive.unpack_stream import unpack_stream

__all__ = [
    "Archive",
    "Entry",
    "Features",
    "GivenSource",
    "Kind",
    "Source",
    "TreeSource",
    "features",
    "joined",
    "load",
    "manifest",
    "merge",
    "planted",
    "read_stream",
    "save",
    "scan",
    "scan_raw",
    "scan_stream",
    "streamed",
    "subtree",
    "unpack",
    "unpack_stream",
    "write_stream",
]
