#!/bin/sh
# Installs what fwc's tests and demo run on Debian and Ubuntu, and only that
# which is missing.
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
need openssl openssl
need ssh-agent openssh-client
need shellcheck shellcheck
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
	echo "please install:$missing" >&2
	exit 1
}
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing" >&2
# shellcheck disable=SC2086 # one word a package
install() { $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
install 2>/dev/null || { $sudo apt-get update -qq && install; }
