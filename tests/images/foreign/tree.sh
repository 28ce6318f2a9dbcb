# Has mkosi make the tree that all images are made of: tree/, with an initrd and kernel in /boot.
sed -i 's/^Format=.*/Format=directory/; s/^Bootloader=grub/&\nUnifiedKernelImages=no\nKernelCommandLine=console=ttyS0 root=PARTLABEL=root rw/' mkosi.conf
mkdir -p mkosi.extra/etc/systemd/network
printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' > mkosi.extra/etc/systemd/network/20-wired.network
mkosi -f build
version=$(ls output/server/usr/lib/modules)
cat "output/server/boot/server/initrd" "output/server/boot/server/$version/kernel-modules.initrd" \
    > "output/server/boot/initrd.img-$version"
