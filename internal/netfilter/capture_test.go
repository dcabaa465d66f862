package netfilter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

const everything = `
ipset create s hash:ip
ipset add s 192.0.2.1
ipset create l list:set
ipset add l s
for b in nft legacy; do
  iptables-$b -P FORWARD DROP
  iptables-$b -N MINE
  iptables-$b -A INPUT -m set --match-set s src -j MINE
  iptables-$b -A MINE -p tcp --dport 22 -m comment --comment 'a "b" c' -j ACCEPT
  iptables-$b -t nat -A POSTROUTING -o eth0 -j MASQUERADE
  ip6tables-$b -A INPUT -p icmpv6 -j ACCEPT
done
arptables-nft -A INPUT -s 192.0.2.9 -j DROP
ebtables-nft -A FORWARD -p IPv4 --ip-dst 192.0.2.3 -j DROP
ebtables-nft -t nat -A PREROUTING -i eth0 -j dnat --to-destination 00:11:22:33:44:55
nft -f - <<'EOF'
table inet native {
	set s { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 }; }
	chain in {
		type filter hook input priority 10; policy accept;
		ip saddr @s counter drop
		tcp dport { 22, 80 } accept
	}
}
EOF
echo 1 >/proc/sys/net/ipv4/ip_forward
`

func TestCaptureCreatesNothing(t *testing.T) {
	inside(t, func() {
		dumps, err := netfilter.CaptureRaw(context.Background(), netfilter.Scope{})
		if err != nil || len(dumps) > 0 {
			t.Errorf("in an empty namespace: %v, %v", dumps, err)
		}
		if out := sh(t, "cat /proc/net/*_tables_names; nft list ruleset"); out != "" {
			t.Errorf("capture made %q", out)
		}
	})
}

func TestCutDump(t *testing.T) {
	inside(t, func() {
		sh(t, "ebtables-nft -A INPUT -i ! + -j DROP")
		_, err := netfilter.CaptureRaw(context.Background(), netfilter.Scope{})
		var te *netfilter.ToolError
		if !errors.As(err, &te) || te.Tool != "ebtables-nft-save" {
			t.Errorf("ebtables-nft-save crashes on this rule, Capture says %v", err)
		}
	})
}
