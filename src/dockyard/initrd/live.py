"""What an initrd has to start a live system: one whose root is an image on a medium, or fetched.

`root=live:WHERE` of the kernel command line says where, as dracut's dmsquash-live has it: WHERE is
`LABEL=…`, `UUID=…`, a device below /dev, or a URL. A generator (systemd.generator(7)) turns that
into what the image has to wait for; the rest are units that are the same for all:

    run-live-medium.mount   the medium                      (generated; of a device only)
    live-image.service      finds or fetches the image      /run/live/image leads to it
    run-live-root.mount     the image, through a loop device
    run-live-rw.mount       a tmpfs for all that is written
    live-upper.service      the directories of the overlay on it
    sysroot.mount           the overlay of both
"""

from __future__ import annotations

from dockyard.initrd.contents import Contents
from dockyard.initrd.options import InitrdFeature

IMAGE = "liveos/rootfs.img"
"""Where a medium has the image of its root; below its own root directory."""

_GENERATOR = "usr/lib/systemd/system-generators/live-root-generator"
_PROGRAM = "usr/lib/live/find-image"
_UNITS = "etc/systemd/system"
_NETWORK_USER = "systemd-network"
_TRUST = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)

_GENERATOR_TEXT = """\
#!/bin/sh
# Has the live root wait for what it comes from.
set -fu
read -r line </proc/cmdline
where=
for word in $line; do
    case $word in root=live:*) where=${word#root=live:} ;; esac
done
case $where in
    '') exit 0 ;;
    LABEL=*) device=/dev/disk/by-label/${where#LABEL=} ;;
    UUID=*) device=/dev/disk/by-uuid/${where#UUID=} ;;
    /dev/*) device=$where ;;
    *) device= ;;
esac
mkdir -p "$1/live-image.service.d"
if [ -z "$device" ]; then
    printf '[Unit]\\nWants=network-online.target\\nAfter=network-online.target\\n' \\
        >"$1/live-image.service.d/source.conf"
    exit 0
fi
printf '[Unit]\\nDescription=%s\\n[Mount]\\nWhat=%s\\nWhere=/run/live/medium\\nOptions=ro\\n' \\
    'Medium of the Live System' "$device" >"$1/run-live-medium.mount"
printf '[Unit]\\nRequiresMountsFor=/run/live/medium\\n' >"$1/live-image.service.d/source.conf"
"""

_PROGRAM_TEXT = """\
#!/bin/sh
# Has /run/live/image lead to the image of the root: on the medium, or fetched into memory.
set -fu
read -r line </proc/cmdline
for word in $line; do
    case $word in root=live:*) where=${word#root=live:} ;; esac
done

fail() {
    echo "live root: $1" >&2
    exit 1
}

# nfs://SERVER[:PORT]/PATH (RFC 2224, but for its public file handle): what PATH is in is mounted.
# By NFS 4.1, which needs no port but one, and no program beside the kernel.
copy() {
    rest=${where#nfs://}
    server=${rest%%/*} path=/${rest#*/}
    case $server in *:*) port=${server##*:} server=${server%:*} ;; *) port=2049 ;; esac
    read -r address rest <<END
$(getent ahostsv4 "$server")
END
    [ -n "$address" ] || fail "$server has no address"
    mkdir -p /run/live/export
    modprobe -a nfs nfsv4
    options="ro,nolock,proto=tcp,vers=4.1,addr=$address,port=$port,clientaddr=0.0.0.0"
    mount -i -t nfs4 -o "$options" "$address:${path%/*}/" /run/live/export ||
        fail "$address:${path%/*} could not be mounted by NFS 4.1"
    cp "/run/live/export/${path##*/}" /run/live/fetched/image || fail "$where could not be read"
    umount /run/live/export
}

fetch() {
    : >/etc/resolv.conf
    while IFS== read -r key values; do
        [ "$key" = DNS ] || continue
        for value in $values; do echo "nameserver $value" >>/etc/resolv.conf; done
    done </run/systemd/netif/state
    mkdir -p /run/live/fetched
    mount -t tmpfs -o size=100%,mode=0700 live /run/live/fetched
    echo "live root: fetching $where"
    case $where in nfs://*) copy && return ;; esac
    command -v curl >/dev/null || fail "this initrd has nothing to fetch $where with"
    curl --fail --silent --show-error --location --retry 10 --retry-connrefused \\
        --connect-timeout 20 --tftp-blksize 1428 --output /run/live/fetched/image "$where" \\
        || fail "$where could not be fetched"
}

case $where in
    *://*)
        fetch
        mkdir -p /run/live/medium
        # An ISO has the image in it; anything else is the image.
        if mount -t iso9660 -o loop,ro /run/live/fetched/image /run/live/medium 2>/dev/null; then
            image=/run/live/medium/IMAGE
        else
            image=/run/live/fetched/image
        fi ;;
    *) image=/run/live/medium/IMAGE ;;
esac
[ -f "$image" ] || fail "$where has no IMAGE"
ln -s "$image" /run/live/image
""".replace("IMAGE", IMAGE)

_FILES = {
    f"{_UNITS}/live-image.service": f"""\
[Unit]
Description=Find the Image of the Live Root
DefaultDependencies=no
After=systemd-modules-load.service
Before=initrd-root-fs.target shutdown.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console
ExecStart=/{_PROGRAM}
""",
    f"{_UNITS}/run-live-root.mount": """\
[Unit]
Description=Image of the Live Root
Requires=live-image.service
After=live-image.service
[Mount]
What=/run/live/image
Where=/run/live/root
Options=loop,ro
""",
    f"{_UNITS}/run-live-rw.mount": """\
[Unit]
Description=Memory for Changes of the Live System
[Mount]
What=live
Where=/run/live/rw
Type=tmpfs
Options=mode=0700
""",
    f"{_UNITS}/live-upper.service": """\
[Unit]
Description=Directories for Changes of the Live System
DefaultDependencies=no
RequiresMountsFor=/run/live/rw
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mkdir -p /run/live/rw/upper /run/live/rw/work
ExecStart=chmod 0755 /run/live/rw/upper
""",
    f"{_UNITS}/sysroot.mount": """\
[Unit]
Description=Live Root
Before=initrd-root-fs.target
Requires=run-live-root.mount live-upper.service
After=run-live-root.mount live-upper.service
[Mount]
What=live
Where=/sysroot
Type=overlay
Options=lowerdir=/run/live/root,upperdir=/run/live/rw/upper,workdir=/run/live/rw/work
""",
}
_NETWORK_FILES = {
    "etc/systemd/network/live.network": """\
[Match]
Type=ether
[Network]
DHCP=yes
""",
    "etc/nsswitch.conf": "hosts: files dns\n",
    # One card with an address is enough.
    f"{_UNITS}/systemd-networkd-wait-online.service.d/live.conf": """\
[Service]
ExecStart=
ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any
""",
}


def users(features: frozenset[InitrdFeature]) -> frozenset[str]:
    """The users that services of a live initrd run as."""
    return frozenset((_NETWORK_USER,) if InitrdFeature.LIVE_NETWORK in features else ())


def add_live(contents: Contents, features: frozenset[InitrdFeature]) -> None:
    """Add the units of a live root, and what fetches its image where that is asked for."""
    contents.write(_GENERATOR, _GENERATOR_TEXT, 0o555)
    contents.write(_PROGRAM, _PROGRAM_TEXT, 0o555)
    for path, text in _FILES.items():
        contents.write(path, text)
    contents.link(f"{_UNITS}/initrd-root-fs.target.requires/sysroot.mount", "../sysroot.mount")
    if InitrdFeature.LIVE_NETWORK not in features:
        return
    for path, text in _NETWORK_FILES.items():
        contents.write(path, text)
    wanted = "systemd-networkd-wait-online.service"
    contents.link(
        f"{_UNITS}/network-online.target.wants/{wanted}", f"/usr/lib/systemd/system/{wanted}"
    )
    trusted = any(contents.add(path) for path in _TRUST)
    if InitrdFeature.LIVE_TLS in features and not trusted:
        contents.lacks("a bundle of certificate authorities", "fetching the root by https")
