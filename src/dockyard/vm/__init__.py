"""Starts an image under QEMU, talks to it, and asks it whether every setting holds.

- `qemu`: the command line: machine, firmware, disk, network
- `devices`: ports, shared directories and a screen, as options of QEMU
- `launch`: starts QEMU in the sandbox for one boot
- `accel`: which accelerator works here
- `credentials`: what the host tells the guest's systemd through SMBIOS
- `script`: what the guest runs to answer
- `report`: what the guest answered
- `boot_log`: what the console says: how far the boot has come, and what stopped it
- `monitor`: QEMU's own events
- `failure`: why a guest is given up
- `guest`: one boot with questions, from start to verdict
- `errand`: what a guest does before somebody comes in: shares, copied files
- `agent`: the host's side of that, and of all boots below
- `command`: one boot for one command
- `shell`: one boot with a shell on a console of its own
- `access`: one boot with a login over SSH
- `console`: one boot with a person at the serial console
"""
