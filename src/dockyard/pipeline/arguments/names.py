"""The names of files within results, and of steps that others ask for."""

from __future__ import annotations

# Within results.
TREE = "tree"  # of the packages: the tree; there may be `upper` over it
INDEX = "index"  # of the packages and of a merged root: the archive's index
UPPER = "upper"  # of a layer: the upper directory of an overlay
INITRD = "initrd"
KERNEL = "kernel"
COMMAND_LINE = "cmdline"
FILESYSTEM = "filesystem"
FIRST_CODE = "first-code"  # of the first sector of a disk, beside what a BIOS boot partition has
LABELS = "labels"  # of SELinux, by path
ROOT_HASH = "roothash"  # of dm-verity, in hex
MANIFEST = "manifest.jsonl"
EXPECTED = "expected.json"

# Of steps.
TOOLS = "tools"
FETCH = "fetch"
ROOT = "root"
DISK = "disk"  # and of the file in its result
