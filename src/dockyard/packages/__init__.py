"""Where packages come from, which are chosen and pinned, and how their bytes are fetched."""
