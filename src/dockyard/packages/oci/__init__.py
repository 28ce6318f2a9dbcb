"""Disk images in OCI registries: found by reference, checked by digest, kept by what they are.

Follows the OCI Distribution Specification 1.1 and the OCI Image Specification 1.1; the media types
of Docker's manifests, version 2, are read as well.
"""
