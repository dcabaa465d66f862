#!/bin/sh
# A LOG rule in every chain, as labs made by hand have them.
set -e
sysctl -qw net.ipv4.ip_forward=1
log() {
	table=$1
	shift
	for chain in "$@"; do
		iptables -t $table -A $chain -j LOG --log-prefix "$table $chain "
	done
}
log raw PREROUTING OUTPUT
log mangle PREROUTING INPUT FORWARD OUTPUT POSTROUTING
log nat PREROUTING INPUT OUTPUT POSTROUTING
log filter INPUT FORWARD OUTPUT
log security INPUT FORWARD OUTPUT
