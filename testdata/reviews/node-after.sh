#!/bin/sh
# A Kubernetes node: route_localnet is on for node ports of localhost.
set -e
sysctl -q -w net.ipv4.conf.all.route_localnet=1
iptables -N KUBE-FIREWALL
iptables -A INPUT -j KUBE-FIREWALL
iptables -A OUTPUT -j KUBE-FIREWALL
iptables -A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
iptables -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
