"""The tools that Dockyard brings along: their lock, and the trees that they are unpacked into."""
