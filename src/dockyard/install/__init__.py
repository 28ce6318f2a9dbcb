"""Packages into a tree: rpm's transaction, its database, and what follows it."""
