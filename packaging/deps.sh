#!/bin/sh
# Installs what fwc's tests and demo run on Debian and Ubuntu, and only that
# which is missing.
#
#   deps.sh                 the firewall tools
#   deps.sh vm              those, and what boots virtual machines
#   deps.sh browser         those, and Chromium for the HTML report
#   deps.sh generators DIR  those, and unpacks programs that make firewalls
#                           below DIR, for the tests to overlay on /usr and /etc
#   deps.sh managers DIR    those, and unpacks Docker and fail2ban below DIR, for
#                           the tests to run beside an apply
set -eu

command -v go >/dev/null || {
	echo "Go 1.26 or newer is needed: https://go.dev/dl" >&2
	exit 1
}

missing=
need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing="$missing $2"
}
need iptables-nft iptables
need iptables-legacy iptables
need ipset ipset
need ebtables ebtables
need arptables arptables
need nft nftables
need ip iproute2
need gcc build-essential
need jq jq
need curl curl
need unzip unzip
need openssl openssl
need ssh-agent openssh-client
need shellcheck shellcheck
if [ "${1-}" = vm ]; then
	need debootstrap debootstrap
	need mke2fs e2fsprogs
	need qemu-system-x86_64 qemu-system-x86
fi
if [ "${1-}" = browser ]; then
	command -v chromium-browser >/dev/null || need chromium chromium
fi
[ -n "$missing" ] || [ -n "${1-}" ] || exit 0

command -v apt-get >/dev/null || {
	echo "please install:$missing" >&2
	exit 1
}
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
update() { $sudo apt-get update -qq; }
# shellcheck disable=SC2086 # one word a package
install() { $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
if [ -n "$missing" ]; then
	echo "installing:$missing" >&2
	install 2>/dev/null || { update && install; }
fi

# They are unpacked, not installed: installed, ferm and
# arno-iptables-firewall would filter this machine from its next boot on, and
# Docker and fail2ban from now on. What they depend on is here already, or in
# the list.
case "${1-}" in
generators)
	# iprange is for firehol, gawk and libsigsegv2 for
	# arno-iptables-firewall. Scripts for busybox need it. 3 MB to download.
	dir=$2
	set -- firehol firehol-common iprange shorewall shorewall-core ferm ufw \
		arno-iptables-firewall gawk libsigsegv2 uruk busybox
	;;
managers)
	# 66 MB to download.
	dir=$2
	set -- docker.io containerd runc tini libdevmapper1.02.1 fail2ban
	;;
*) exit 0 ;;
esac
[ "$(cat "$dir/packages" 2>/dev/null)" != "$*" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir/deb" "$dir/root/etc" "$dir/root/usr/bin" "$dir/root/usr/sbin" "$dir/root/usr/lib"
for d in bin sbin lib; do
	ln -s "usr/$d" "$dir/root/$d"
done
echo "unpacking into $dir: $*" >&2
download() { (cd "$dir/deb" && apt-get download -qq "$@"); }
download "$@" 2>/dev/null || { update && download "$@"; }
for deb in "$dir"/deb/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$dir/root"
done
# Staging is a stranger to what only root may read.
chmod -R a+rX "$dir/root/etc" "$dir/root/usr"
rm -rf "$dir/deb" "$dir/root/usr/share/doc" "$dir/root/usr/share/man"
echo "$*" >"$dir/packages"
