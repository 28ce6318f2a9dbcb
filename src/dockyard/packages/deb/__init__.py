"""Debian: the archive's signed indexes, dpkg's rules for versions and relations, and the .deb file.

Nothing here needs dpkg or apt on the host.
"""
