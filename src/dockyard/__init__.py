"""Dockyard: build, verify, launch and keep Linux operating system images."""

__version__ = "0.1.0"
