# A disk as mkosi makes it: systemd-repart, no line in fstab for the root, kernel, entry and GRUB's menu
# on the EFI system partition, which a system that GRUB started does not find by itself.
# $1: the file system of the root. $2: the image. $3: subvolumes.
rm -rf repart root
mkdir repart
cp -a output/server root
echo 'PARTLABEL=esp /efi vfat umask=0077 0 2' > root/etc/fstab
cat > repart/00-esp.conf <<END
[Partition]
Type=esp
Label=esp
Format=vfat
CopyFiles=/boot:/
CopyFiles=/efi:/
SizeMinBytes=300M
END
cat > repart/10-root.conf <<END
[Partition]
Type=root
Label=root
Format=$1
CopyFiles=/
ExcludeFiles=/efi/ /boot/
SizeMinBytes=1200M
$3
END
systemd-repart --offline=yes --empty=create --size=auto --dry-run=no --no-pager \
    --seed=0e9a6fe0-68f6-408c-bbeb-136054d20445 --definitions="$PWD/repart" --copy-source="$PWD/root" "output/$2"
(cd root && find . -mindepth 1 -printf '%P\t%y\t%m\t%U\t%G\t%s\t%l\n' | grep -Ev '^(boot|efi)/') > "output/$2.list"
rm -rf repart root
