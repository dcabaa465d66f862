#!/bin/sh
# An edge router's inbound filter, after the example of Batfish's notebook on
# safe filter changes: bogons out, a few services in, the rest refused.
set -e
iptables -P FORWARD DROP
iptables -N acl_in
iptables -A FORWARD -i eth0 -j acl_in

acl() { iptables -A acl_in "$@"; }

acl -p icmp --icmp-type redirect -j DROP
acl -p udp -s 117.186.185.0/24 -d 117.186.185.0/24 --sport 49152:65535 -m multiport --dports 3784,3785 -j ACCEPT
for pair in 11.36.216.170:11.36.216.169 204.150.33.175:204.150.33.83 218.8.104.14:218.8.104.15; do
	acl -p tcp -s "${pair%:*}" -d "${pair#*:}" --dport 179 -j ACCEPT
done
acl -p udp -s 10.10.10.42 -d 218.8.104.58 --dport 53 -j DROP
[ -z "$HTTP_TO" ] || for port in 80 8080; do
	acl -p tcp -s 10.10.10.0/24 -d "$HTTP_TO" --dport "$port" -j ACCEPT
done
for net in 118.0.0.0/8 54.0.0.0/8 163.157.0.0/16 166.144.0.0/12 198.170.50.0/24 198.120.0.0/16 224.0.0.0/3; do
	acl -s "$net" -j DROP
done
acl -p udp -s 10.10.10.0/24 -d 218.8.104.58 --dport 53 -j ACCEPT
acl -s 166.146.58.184 -j ACCEPT
acl -p icmp --icmp-type echo-reply -j ACCEPT
acl -p icmp --icmp-type time-exceeded -j ACCEPT
acl -p tcp -j DROP
acl -p icmp -j DROP
acl -p udp -j DROP
acl -j DROP
