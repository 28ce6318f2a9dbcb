"""The outside: processes, sandbox, namespaces, files, network, clock.

No other room starts a process, opens a socket, mounts, reads the clock or draws random bytes.
"""
