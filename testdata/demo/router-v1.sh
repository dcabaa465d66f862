#!/bin/sh
# Firewall of the branch router: NAT for the office, 5,000 customer hosts behind
# it, one published service in the DMZ, a blocklist, IPv6 on the LAN.
set -eu

wan=eth0
lan=eth1
public=203.0.113.10
office=192.168.10.0/24
office6=2001:db8:10::/64
dmz=172.16.100.0/24
app=172.16.100.5

# The hosts that customers have: 20 networks of 250.
customers() {
	net=0
	while [ "$net" -lt 20 ]; do
		host=1
		while [ "$host" -le 250 ]; do
			echo "10.20.$net.$host"
			host=$((host + 1))
		done
		net=$((net + 1))
	done
}

# Who must not talk to us at all.
blocked='
192.0.2.13
192.0.2.77
198.51.100.0/25
198.51.100.200
203.0.113.66
'

# ---- start from nothing -----------------------------------------------------

for table in filter nat mangle; do
	iptables -t "$table" -F
	iptables -t "$table" -X
done
ip6tables -F
ip6tables -X
ipset destroy

# ---- the blocklist ----------------------------------------------------------

ipset create blocklist hash:net family inet maxelem 65536
for net in $blocked; do
	ipset add blocklist "$net"
done

# ---- this router ------------------------------------------------------------

iptables -P INPUT ACCEPT
iptables -P FORWARD DROP
iptables -P OUTPUT ACCEPT

iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -m conntrack --ctstate INVALID -j DROP
iptables -A INPUT -m set --match-set blocklist src -j DROP
iptables -A INPUT -p icmp --icmp-type echo-request -m limit --limit 10/second --limit-burst 20 -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -s "$office" -p udp -m multiport --dports 53,67,123 -j ACCEPT
iptables -A INPUT -s "$office" -p tcp --dport 53 -j ACCEPT
iptables -A INPUT -s "$office" -p tcp --dport 23 -j ACCEPT
iptables -A INPUT -j DROP

# ---- through this router ----------------------------------------------------

iptables -N customers
for ip in $(customers); do
	iptables -A customers -d "$ip" -j ACCEPT
done

iptables -N dmz
iptables -A dmz -d "$app" -p tcp --dport 8800 -j ACCEPT
iptables -A dmz -p icmp -j ACCEPT
iptables -A dmz -j REJECT --reject-with icmp-port-unreachable

iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A FORWARD -i "$lan" -s "$office" -o "$wan" -j ACCEPT
iptables -A FORWARD -i "$wan" -m set --match-set blocklist src -j DROP
iptables -A FORWARD -d "$dmz" -j dmz
iptables -A FORWARD -i "$wan" -d 10.20.0.0/16 -j customers
iptables -A FORWARD -m limit --limit 5/minute -j LOG --log-prefix 'forward dropped: '

# ---- addresses --------------------------------------------------------------

iptables -t nat -A PREROUTING -i "$wan" -d "$public" -p tcp --dport 8800 -j DNAT --to-destination "$app:8800"
iptables -t nat -A POSTROUTING -o "$wan" -s "$dmz" -j SNAT --to-source "$public"
iptables -t nat -A POSTROUTING -o "$wan" -s "$office" -j MASQUERADE
iptables -t mangle -A FORWARD -o "$wan" -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu

# ---- IPv6 -------------------------------------------------------------------

ip6tables -P INPUT DROP
ip6tables -P FORWARD ACCEPT
ip6tables -A INPUT -i lo -j ACCEPT
ip6tables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
ip6tables -A INPUT -s "$office6" -p tcp --dport 22 -j ACCEPT
ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
ip6tables -A FORWARD -i "$lan" -s "$office6" -j ACCEPT

# ---- and go -----------------------------------------------------------------

echo 1 >/proc/sys/net/ipv4/ip_forward
