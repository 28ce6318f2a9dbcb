# A disk as Debian's installer leaves it: GRUB with its menu in /boot of an ext4 root, and a small EFI
# system partition. grub-mkconfig writes the menu; it is told what grub-probe cannot find in a tree.
# $1: gpt, or dos for a table of a BIOS.
id=6b7f1c55-1f0a-4a3c-9b1e-2f7d0c7a9e11
rm -rf root esp disk
mkdir disk
cp -a output/server root
rm -rf root/efi/* root/boot/server root/boot/loader
mkdir root/boot/efi
cat > root/etc/fstab <<END
UUID=$id / ext4 errors=remount-ro 0 1
UUID=1234-ABCD /boot/efi vfat umask=0077 0 1
END
sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="quiet"/; s/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=ttyS0"/' \
    root/etc/default/grub
cat > probe <<END
#!/bin/sh
case \$* in
    *target=device*) echo /dev/sda2 ;;
    *target=fs_uuid*) echo $id ;;
    *target=fs*) echo ext2 ;;
    *target=partmap*) echo gpt ;;
    *target=hints_string*) echo --hint-efi=hd0,gpt2 ;;
    *target=compatibility_hint*) echo hd0,gpt2 ;;
    *target=abstraction*) ;;
    *) exit 1 ;;
esac
END
chmod 755 probe
mv root/usr/sbin/grub-probe own-probe
mv probe root/usr/sbin/grub-probe
mkdir -p root/dev/disk/by-uuid
touch root/dev/null root/dev/disk/by-uuid/$id
chroot root grub-mkconfig -o /boot/grub/grub.cfg
rm -r root/dev/null root/dev/disk
mv own-probe root/usr/sbin/grub-probe
mkdir -p esp/EFI/BOOT esp/EFI/debian
printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' $id > esp/EFI/debian/grub.cfg
grub-mkimage -O x86_64-efi -p /EFI/debian -o esp/EFI/BOOT/BOOTX64.EFI \
    part_gpt part_msdos fat ext2 search search_fs_uuid normal configfile linux echo test all_video gfxterm \
    gzio font loadenv probe regexp sleep true boot cat halt reboot
truncate -s 64M disk/esp
mkfs.vfat -i 1234ABCD disk/esp
mcopy -s -i disk/esp esp/EFI ::
truncate -s 1400M disk/root
mkfs.ext4 -q -U $id -L system -d root disk/root
truncate -s 1466M "output/$2"
printf 'label: %s\nstart=2048, size=131072, type=uefi\nstart=133120, size=2867200, type=linux\n' "$1" | sfdisk -q "output/$2"
dd if=disk/esp of="output/$2" bs=1M seek=1 conv=notrunc,sparse status=none
dd if=disk/root of="output/$2" bs=1M seek=65 conv=notrunc,sparse status=none
(cd root && find . -mindepth 1 -printf '%P\t%y\t%m\t%U\t%G\t%s\t%l\n') > "output/$2.list"
rm -rf root esp disk
