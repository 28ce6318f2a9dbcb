"""Dockyard: build, verify, launch and keep Linux operating system images."""
