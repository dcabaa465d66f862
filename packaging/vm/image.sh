#!/bin/bash
# Builds the guest that make test-vm boots: a Debian with its own kernel and
# systemd, what fwc needs, and a service that runs what the tests send it. Does
# nothing if it is there already, built by these very files.
#
#   image.sh RELEASE DIR    bullseye, bookworm or trixie; into DIR:
#     disk.img              its root file system, no partitions
#     vmlinuz, initrd       its kernel
#     vmlinuz-2, initrd-2   its other kernel, if it has one
#
# As root: it runs the release's own programs in a chroot of a mount and process
# namespace. The machine's services and firewall are not touched.
set -euo pipefail
release=$1
dir=$2
here=$(cd "$(dirname "$0")" && pwd)

made=$(cd "$here" && find image.sh guest -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
[ "$(cat "$dir/made" 2>/dev/null)" != "$made" ] || exit 0

if [ "${FWC_VM_ALONE-}" != yes ]; then
	exec env FWC_VM_ALONE=yes unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi

packages="linux-image-amd64 initramfs-tools systemd-sysv dbus iptables ipset nftables iproute2"
case $release in
bookworm) packages="$packages linux-image-cloud-amd64 fail2ban python3-systemd docker.io netcat-openbsd" ;;
bullseye | trixie) ;;
*)
	echo "image.sh: no guest of release $release" >&2
	exit 2
	;;
esac

mkdir -p "$dir"
rm -f "$dir/made"
root=$dir/root
rm -rf "$root"
trap 'rm -rf "$root"' EXIT

# With all of it unpacked anew if the power goes, nothing need be synced.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/initramfs-tools/conf.d" "$root/usr/sbin"
printf 'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
	>"$root/etc/dpkg/dpkg.cfg.d/vm"
debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$dir/log" ||
	{ tail -20 "$dir/log" >&2; exit 1; }
# No package may start a service.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmp "$root/tmp"
in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@" >>"$dir/log" 2>&1 || { tail -20 "$dir/log" >&2; exit 1; }; }
in_root apt-get install -y --no-install-recommends initramfs-tools
# The drivers of this one machine, which a chroot cannot guess.
mkdir -p "$root/etc/initramfs-tools/conf.d"
echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/vm"
printf '%s\n' virtio_pci virtio_blk ext4 virtio_console >>"$root/etc/initramfs-tools/modules"
# shellcheck disable=SC2086 # one word a package
in_root apt-get install -y --no-install-recommends $packages

cp -a "$here/guest/." "$root/"
echo "fwc-vm" >"$root/etc/hostname"
echo "127.0.0.1 localhost fwc-vm" >"$root/etc/hosts"
: >"$root/etc/machine-id"
echo "/dev/vda / ext4 defaults,noatime 0 1" >"$root/etc/fstab"
in_root systemctl enable fwc-vm.service systemd-networkd.service
in_root systemctl set-default multi-user.target
# What would only take its time. Nothing of the guest starts unasked.
in_root systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
	e2scrub_reap.service getty@tty1.service serial-getty@ttyS0.service systemd-timesyncd.service systemd-pstore.service
if [ "$release" = bookworm ]; then
	in_root systemctl disable fail2ban.service docker.service docker.socket containerd.service
fi
rm -rf "$root/usr/sbin/policy-rc.d" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

n=
for kernel in $(cd "$root/boot" && printf '%s\n' vmlinuz-* | sort -r); do
	case $n$kernel in
	*cloud*) suffix=-2 ;;
	*) suffix= ;;
	esac
	cp "$root/boot/$kernel" "$dir/vmlinuz$suffix"
	cp "$root/boot/initrd.img-${kernel#vmlinuz-}" "$dir/initrd$suffix"
done
rm -f "$root"/boot/initrd.img-*
umount "$root/tmp" "$root/proc" "$root"
truncate -s 0 "$dir/disk.img"
mke2fs -q -t ext4 -L root -d "$root" "$dir/disk.img" 4G
echo "$made" >"$dir/made"
