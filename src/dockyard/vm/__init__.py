"""Starts an image under QEMU, talks to it, and asks it whether every setting holds.

- `qemu`: the command line: machine, firmware, disk, network
- `accel`: which accelerator works here
- `credentials`: what the host tells the guest's systemd through SMBIOS
- `script`: what the guest runs to answer
- `report`: what the guest answered
- `boot_log`: what the console says: how far the boot has come, and what stopped it
- `monitor`: QEMU's own events
- `guest`: one boot with questions, from start to verdict
- `console`: one boot with a person at the console
"""
