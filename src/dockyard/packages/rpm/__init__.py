"""The RPM format and the repositories that serve it."""
