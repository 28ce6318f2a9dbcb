"""The steps on a root tree, one module per setting, and the checks of what they made."""
