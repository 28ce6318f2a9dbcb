"""The settings of a root tree, one module each, and the checks of what they made."""
