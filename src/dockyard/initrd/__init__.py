"""The initial RAM disk of an image, built by our own code from the files of its root.

It is a systemd initrd: systemd as /init, udev, the kernel modules and programs that bring up the
root device, and nothing that is not needed for that. Nothing of the image is run to make it.
"""
