"""Frozen types of what a user wants: image, storage, packages, distro. No I/O."""
