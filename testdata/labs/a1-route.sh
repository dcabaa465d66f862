#!/bin/sh
# A router that forwards, and no rule at all.
set -e
iptables=${IPTABLES:-iptables}
sysctl -qw net.ipv4.ip_forward=1
