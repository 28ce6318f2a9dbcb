"""Packages into a tree: rpm's transaction, its database, and what is to be done after it."""
