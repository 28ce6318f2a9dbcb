"""What the user wants, as frozen data: image files, disks, packages, distributions. No I/O.

The names are those of the YAML keys in snake case; the aliases are the keys themselves.
"""
