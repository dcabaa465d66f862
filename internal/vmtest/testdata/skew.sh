#!/bin/sh
# No sets: those are held to ipset's exact version. Matches and targets whose
# kernel side has revisions, and options that versions of iptables print in
# different words.
set -e
iptables -P INPUT DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -m multiport --dports 22,2222 -j ACCEPT
iptables -A INPUT -p tcp --dport 25 -m hashlimit --hashlimit-name smtp --hashlimit-above 10/minute --hashlimit-mode srcip -j DROP
iptables -A INPUT -p tcp --dport 22 -m recent --name ssh --update --seconds 60 --hitcount 4 --rttl -j DROP
iptables -A INPUT -p tcp --dport 80 -m connlimit --connlimit-above 20 -j REJECT --reject-with tcp-reset
iptables -A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/second -j ACCEPT
iptables -A INPUT -m mac --mac-source 02:00:00:00:00:01 -m comment --comment "the switch" -j ACCEPT
iptables -A INPUT -m iprange --src-range 192.0.2.10-192.0.2.20 -m pkttype --pkt-type unicast -j ACCEPT
iptables -A INPUT -p 112 -d 224.0.0.18 -j ACCEPT
iptables -A INPUT -p gre -j ACCEPT
iptables -A INPUT -p esp -m esp --espspi 100:500 -j ACCEPT
iptables -A INPUT -p udp -m length --length 28:1500 -m ttl --ttl-gt 1 -j ACCEPT
iptables -A INPUT -j LOG --log-prefix "dropped: " --log-level warning --log-tcp-options
iptables -A INPUT -j NFLOG --nflog-group 5 --nflog-prefix "dropped"
iptables -A OUTPUT -m owner --uid-owner 0 -j ACCEPT
iptables -A OUTPUT -m mark --mark 0x10/0xff -j CONNMARK --save-mark
iptables -t mangle -A PREROUTING -p tcp --dport 5060 -j DSCP --set-dscp-class EF
iptables -t mangle -A PREROUTING -i wan0 -j MARK --set-xmark 0x1/0xff
iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400
iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE --random-fully
iptables -t nat -A PREROUTING -p tcp --dport 443 -j DNAT --to-destination 192.0.2.9:8443
iptables -t nat -A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 5353
iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
iptables -t raw -A PREROUTING -p udp --dport 53 -j CT --notrack

ip6tables -P INPUT DROP
ip6tables -A INPUT -p ipv6-icmp --icmpv6-type neighbour-solicitation -j ACCEPT
ip6tables -A INPUT -p ipv6-icmp --icmpv6-type router-advertisement -m hl --hl-eq 255 -j ACCEPT
ip6tables -A INPUT -m rt --rt-type 0 -j DROP
ip6tables -A INPUT -m frag --fragfirst -j DROP
ip6tables -A INPUT -p tcp -m multiport ! --dports 1:1024 -j REJECT --reject-with icmp6-adm-prohibited
ip6tables -t nat -A POSTROUTING -s 2001:db8::/64 -o wan0 -j SNAT --to-source 2001:db8:1::1

ebtables -A FORWARD -p ARP --arp-op Request -i wan0 -j DROP
ebtables -A FORWARD -p IPv4 --ip-proto udp --ip-dport 67 -j ACCEPT
ebtables -A INPUT -d Multicast --limit 5/sec -j ACCEPT
ebtables -t nat -A POSTROUTING -o wan0 -j snat --to-source 02:00:00:00:00:09
arptables -A INPUT --source-mac 02:00:00:00:00:02 --opcode Request -j DROP
arptables -A INPUT -s 192.0.2.0/24 -i wan0 -j ACCEPT
