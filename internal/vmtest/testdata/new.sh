#!/bin/sh
# What old.sh makes, changed in every family.
set -e
ipset create admins hash:net
ipset add admins 192.0.2.0/27
ipset add admins 203.0.113.0/24
ipset create scanners hash:ip timeout 600
ipset create peers hash:ip,port
ipset add peers 198.51.100.9,udp:500

iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -m set --match-set scanners src -j DROP
iptables -A INPUT -p tcp --dport 22 -m set --match-set admins src -j ACCEPT
iptables -A INPUT -m set --match-set peers src,src -j ACCEPT
iptables -A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/second -j ACCEPT
for port in $(seq 8050 8149); do
	iptables -A INPUT -p tcp -s 192.0.2.0/24 --dport $port -m comment --comment "service $port" -j ACCEPT
done
iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset
iptables -A FORWARD -i lan0 -o wan0 -j ACCEPT
iptables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source 198.51.100.1
iptables -t raw -A PREROUTING -p udp --dport 53 -j NOTRACK

ip6tables -P INPUT DROP
ip6tables -P FORWARD DROP
ip6tables -A INPUT -i lo -j ACCEPT
ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
ip6tables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT

ebtables -A FORWARD -p ARP -i wan0 -j DROP
ebtables -A FORWARD -p IPv6 -i wan0 -j DROP
arptables -A INPUT --source-mac 02:00:00:00:00:02 -j DROP
