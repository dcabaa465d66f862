#!/bin/sh
# A database host: only the application's hosts reach MongoDB.
set -e
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -s 10.20.0.0/16 -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -s 10.20.0.0/16 -p tcp --dport 27017 -j ACCEPT
