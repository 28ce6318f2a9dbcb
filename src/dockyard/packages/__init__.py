"""Packages: where they come from, what is chosen, what is pinned, how the bytes are fetched."""
