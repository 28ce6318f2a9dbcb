"""Partition table, boot files, UKI, kernel command line, and the disk that they make up."""
