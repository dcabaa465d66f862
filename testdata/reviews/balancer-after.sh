#!/bin/sh
# A load balancer without connection tracking: each direction has its rule.
set -e
iptables -P INPUT DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -i eth0 -p tcp -m multiport --dports 80,443 -j ACCEPT
# health checks of the web tier: they come to our port 80
iptables -A INPUT -i eth1 -s 10.7.2.0/24 -p tcp --dport 80 -j ACCEPT
iptables -A INPUT -i eth1 -s 10.7.0.0/16 -p tcp --dport 22 -j ACCEPT
