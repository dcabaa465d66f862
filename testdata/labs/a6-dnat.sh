#!/bin/sh
# The web server on boxA is port 8800 of the router.
set -e
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8800 -j DNAT --to-destination 172.16.100.5
iptables -t nat -A POSTROUTING -s 172.16.100.0/24 -o eth0 -j SNAT --to-source 172.16.200.1
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -i veth1 -j ACCEPT
iptables -A FORWARD -d 172.16.100.5 -p tcp --dport 8800 -j ACCEPT
