package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// driftScript adds sets that a rule asks and fills to scriptA.
const driftScript = `
ipset create asked hash:ip; ipset create filled hash:ip
iptables-nft -t raw -A PREROUTING -m set --match-set asked src -j SET --add-set filled src
`

// TestDrift changes one thing of each kind and expects it to be named, and
// nothing else.
func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name, change string
		drift        []string
		foreign      []string
	}{
		{"nothing", ":", nil, nil},
		{"counters", "iptables -Z; iptables -A INPUT -s 203.0.113.1 -j DROP; iptables -D INPUT -s 203.0.113.1 -j DROP", nil, nil},
		{"a rule appeared", "iptables -I INPUT 2 -p tcp --dport 23 -j ACCEPT",
			[]string{"added rule nft ip filter INPUT: -p tcp -m tcp --dport 23 -j ACCEPT (0 → 2)"}, nil},
		{"a rule went", "iptables -D web -p tcp --dport 80 -j ACCEPT",
			[]string{"removed rule nft ip filter web: -p tcp -m tcp --dport 80 -j ACCEPT (1 → 0)"}, nil},
		{"a rule moved", "iptables -D INPUT -i lo -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT",
			[]string{"moved rule nft ip filter INPUT: -i lo -j ACCEPT (1 → 3)"}, nil},
		{"a rule changed", "iptables -R INPUT 2 -p tcp --dport 2222 -j ACCEPT",
			[]string{"changed rule nft ip filter INPUT: -p tcp -m tcp --dport 22 -j ACCEPT → -p tcp -m tcp --dport 2222 -j ACCEPT (2 → 2)"}, nil},
		{"a policy", "iptables -P INPUT ACCEPT",
			[]string{"changed policy nft ip filter INPUT: DROP → ACCEPT"}, nil},
		{"a chain went", "iptables -D INPUT 3; iptables -F web; iptables -X web", []string{
			"removed rule nft ip filter INPUT: -m set --match-set hosts src -j web (3 → 0)",
			"removed chain nft ip filter web: :web -",
			"removed rule nft ip filter web: -p tcp -m tcp --dport 80 -j ACCEPT (1 → 0)"}, nil},
		{"a chain appeared", "iptables -N other", []string{"added chain nft ip filter other: :other -"}, nil},
		{"a table was flushed", "iptables -t nat -F", []string{
			"removed table nft ip nat: nat", "removed chain nft ip nat PREROUTING: :PREROUTING ACCEPT", "removed chain nft ip nat INPUT: :INPUT ACCEPT",
			"removed chain nft ip nat OUTPUT: :OUTPUT ACCEPT", "removed chain nft ip nat POSTROUTING: :POSTROUTING ACCEPT",
			"removed rule nft ip nat POSTROUTING: -o eth0 -j MASQUERADE (1 → 0)"}, nil},
		{"IPv6", "ip6tables -P FORWARD ACCEPT", []string{"changed policy nft ip6 filter FORWARD: DROP → ACCEPT"}, nil},
		{"ARP", "arptables -F", []string{
			"removed table nft arp filter: filter", "removed chain nft arp filter INPUT: :INPUT ACCEPT",
			"removed rule nft arp filter INPUT: -j DROP -s 192.0.2.9 (1 → 0)", "removed chain nft arp filter OUTPUT: :OUTPUT ACCEPT"}, nil},
		{"bridge", "ebtables -A INPUT -p ARP -j DROP", []string{"added rule nft bridge filter INPUT: -p ARP -j DROP (0 → 1)"}, nil},
		{"the other backend", "iptables-legacy -A INPUT -j ACCEPT", []string{
			"added table legacy ip filter: filter", "added chain legacy ip filter INPUT: :INPUT ACCEPT",
			"added rule legacy ip filter INPUT: -j ACCEPT (0 → 1)", "added chain legacy ip filter FORWARD: :FORWARD ACCEPT",
			"added chain legacy ip filter OUTPUT: :OUTPUT ACCEPT"}, nil},
		{"a member went", "ipset del hosts 192.0.2.1", []string{"removed member hosts: 192.0.2.1"}, nil},
		{"a member appeared", "ipset add hosts 192.0.2.99", []string{"added member hosts: 192.0.2.99"}, nil},
		{"a member of a set that a filling rule asks", "ipset add asked 203.0.113.66", []string{"added member asked: 203.0.113.66"}, nil},
		{"a member of a set that rules fill", "ipset add filled 203.0.113.66", nil, nil},
		{"a set appeared", "ipset create mine hash:ip", []string{"added set mine: hash:ip family inet maxelem 65536"}, nil},
		{"a native rule", "nft add rule inet mine in tcp dport 1 drop", []string{"added rule nft inet mine in: tcp dport 1 drop (0 → 2)"}, nil},
		{"a native element", "nft delete element inet mine bad '{ 198.51.100.1 }'", []string{"removed element nft inet mine set bad: 198.51.100.1"}, nil},
		{"a native table went", "nft delete table inet mine", []string{
			"removed table nft inet mine: mine", "removed object nft inet mine set bad: type ipv4_addr",
			"removed element nft inet mine set bad: 198.51.100.1", "removed element nft inet mine set bad: 198.51.100.2",
			"removed chain nft inet mine in: chain in { type filter hook input priority 5; policy accept; }",
			"removed rule nft inet mine in: ip saddr @bad drop (1 → 0)"}, nil},
		{"a table is switched off", "nft 'add table ip nat { flags dormant; }'",
			[]string{"changed table nft ip nat: nat → the table's flags or comment differ"}, nil},
		{"a rule that only prints as ours", "h=$(nft -a list chain ip filter web | sed -n 's/.*dport 80.*handle //p'); nft replace rule ip filter web handle $h ip saddr '{ 192.0.2.1, 192.0.2.2 }' tcp dport 80 accept",
			[]string{"changed rule nft ip filter web: -p tcp -m tcp --dport 80 -j ACCEPT → the kernel had [meta, cmp, payload, cmp, counter, accept] and has [payload, lookup, meta, cmp, payload, cmp, accept] (1 → 1)"}, nil},
		{"a set beside the rules", "nft add set ip filter mine '{ type ipv4_addr; }'",
			[]string{"changed table nft ip filter: filter → set mine is new"}, nil},
		{"a native table appeared", "nft add table inet other", []string{"added table nft inet other: other"}, nil},
		{"a sysctl", "echo 0 > /proc/sys/net/ipv4/ip_forward", []string{"changed sysctl net.ipv4.ip_forward: 1 → 0"}, nil},
		{"several", "iptables -P FORWARD DROP; iptables -D INPUT 1; ipset del hosts 192.0.2.2", []string{
			"removed rule nft ip filter INPUT: -i lo -j ACCEPT (1 → 0)", "changed policy nft ip filter FORWARD: ACCEPT → DROP",
			"removed member hosts: 192.0.2.2"}, nil},
		{"of a manager vouched for", "iptables -N DOCKER; iptables -A DOCKER -j RETURN; iptables -I FORWARD -j DOCKER", nil,
			[]string{"iptables filter -A FORWARD -j DOCKER", "iptables filter chain DOCKER (1 rule)"}},
		{"named with keep", "iptables -N kept1; iptables -A INPUT -j kept1; ipset create kept2 hash:ip", nil,
			[]string{"iptables filter -A INPUT -j kept1", "iptables filter chain kept1 (0 rules)", "ipset kept2 (0 members)"}},
		{"both", "iptables -N kept1; iptables -A kept1 -j RETURN; iptables -A INPUT -j DROP",
			[]string{"added rule nft ip filter INPUT: -j DROP (0 → 4)"}, []string{"iptables filter chain kept1 (1 rule)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				h.applied(h.built(scriptA+driftScript, ruleset.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}), keep("kept*"))
				h.traffic()
				h.sh(tt.change)
				before := h.saves()
				st := h.status()
				got := []string{}
				for _, c := range st.Drift {
					got = append(got, inWords(&c))
				}
				if diff := cmp.Diff(append([]string{}, tt.drift...), got); diff != "" {
					t.Errorf("drift (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(append([]string{}, tt.foreign...), append([]string{}, strs(st.Foreign)...)); diff != "" {
					t.Errorf("foreign (-want +got):\n%s", diff)
				}
				if h.saves() != before {
					t.Error("status changed something")
				}
			})
		})
	}
}

// inWords is a change with all its words.
func inWords(c *ruleset.Change) string {
	place := strings.Join(strings.Fields(fmt.Sprint(c.Backend, " ", c.Family, " ", c.Table, " ", c.Chain, " ", c.Object)), " ")
	text := c.New
	switch c.Kind {
	case ruleset.Removed:
		text = c.Old
	case ruleset.Changed:
		text = c.Old + " → " + c.New
	}
	s := fmt.Sprintf("%s %s %s: %s", c.Kind, c.Subject, place, text)
	if c.OldIndex+c.NewIndex > 0 {
		s += fmt.Sprintf(" (%d → %d)", c.OldIndex, c.NewIndex)
	}
	return s
}
