#!/bin/sh
# Two web servers on port 8080, each in a namespace of its own, are ports 6000
# and 6001 of this host.
set -e
sysctl -qw net.ipv4.ip_forward=1
iptables -P FORWARD DROP
for n in 0 1; do
	iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 600$n -j DNAT --to-destination 10.0.$n.2:8080
	iptables -t nat -A OUTPUT -d 198.51.100.1 -p tcp --dport 600$n -j DNAT --to-destination 10.0.$n.2:8080
	iptables -A FORWARD -i eth0 -o veth$n -d 10.0.$n.2 -p tcp --dport 8080 -j ACCEPT
	iptables -A FORWARD -i veth$n -o eth0 -j ACCEPT
	iptables -t nat -A POSTROUTING -s 10.0.$n.0/24 -o eth0 -j MASQUERADE
done
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
