"""Disks: partition table, command line, boot files, and a disk put together from its partitions."""
