#!/bin/sh
# Something of each family: what each needs of the kernel is a module.
set -e
ipset create admins hash:net
ipset add admins 192.0.2.0/28
ipset add admins 198.51.100.7
ipset create scanners hash:ip timeout 600

iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -m set --match-set scanners src -j DROP
iptables -A INPUT -p tcp -m multiport --dports 22,2222 -m set --match-set admins src -j ACCEPT
iptables -A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/second -j ACCEPT
iptables -A INPUT -p tcp --dport 23 -j SET --add-set scanners src
for port in $(seq 8000 8099); do
	iptables -A INPUT -p tcp -s 192.0.2.0/24 --dport $port -m comment --comment "service $port" -j ACCEPT
done
iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset
iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE
iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu

ip6tables -P INPUT DROP
ip6tables -A INPUT -i lo -j ACCEPT
ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
ip6tables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT

ebtables -A FORWARD -p ARP -i wan0 -j DROP
arptables -A INPUT --source-mac 02:00:00:00:00:01 -j DROP
