"""Dockyard measured against other ways to the same image; see docs/benchmarks.md."""
