#!/bin/sh
# What comes from boxA may pass. Its answers come from the other side.
set -e
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A POSTROUTING -s 172.16.100.0/24 -o eth0 -j SNAT --to-source 172.16.200.1
iptables -P FORWARD DROP
iptables -A FORWARD -i veth1 -j ACCEPT
