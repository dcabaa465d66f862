#!/bin/sh
# What boxA sends out bears the router's own address, to which boxB has a way back.
set -e
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A POSTROUTING -s 172.16.100.0/24 -o eth0 -j SNAT --to-source 172.16.200.1
