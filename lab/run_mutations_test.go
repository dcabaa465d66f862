package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/fwc-dev/fwc/ruleset"
)

// mutationNet is what the tests below run in.
var mutationNet = `
networks:
  lan: {router: 172.16.100.1/24 fd00:100::1/64 as veth1, boxA: 172.16.100.5 fd00:100::5}
  wan: {router: 172.16.200.1/24 172.16.200.2 fd00:200::1/64 as eth0, boxB: 172.16.200.5 fd00:200::5}
  dmz: {router: 10.0.0.1/24 fd00:300::1/64 as eth2, gate: 10.0.0.2 fd00:300::2, other: 10.0.0.3}
  deep: {gate: 10.9.0.1/24, well: 10.9.0.5}
hosts:
  boxA: {services: {http 80: Hello from boxA, http 81: ` + strings.Repeat("long ", 20000) + `, tcp 25: {silent: true}, udp 7: {echo: true}}}
  other: {services: none}
  well: {services: {http 8080: deep, tcp 26: talk}}
tests:
  - `

// mutations are the kinds of expectation, each with rules that it holds for, and
// the same rules broken on purpose. A rule begins with its table; 6 is that of
// ip6tables.
var mutations = []struct {
	kind, test, rules, broken string
}{
	{"accepted, ping", "boxA ping boxB: accepted", "filter FORWARD -i veth1 -j ACCEPT\nfilter FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\nfilter FORWARD -j DROP", "filter FORWARD -j DROP"},
	{"accepted, tcp", "boxA tcp boxB:22: accepted", "filter FORWARD -p tcp -m tcp --sport 23 -j DROP", "filter FORWARD -p tcp -m tcp --dport 22 -j DROP"},
	{"accepted, to a silent service", "boxB tcp boxA:25: accepted", "filter FORWARD -p tcp -m tcp --dport 25 --tcp-flags SYN,PSH SYN -j ACCEPT", "filter FORWARD -p tcp -m tcp --dport 25 --tcp-flags PSH PSH -j DROP"},
	{"accepted, the whole answer", "boxB http boxA:81: accepted", "filter FORWARD -p tcp -m tcp --sport 81 -m quota --quota 1000000 -j ACCEPT\nfilter FORWARD -i veth1 -j DROP", "filter FORWARD -p tcp -m tcp --sport 81 -m quota --quota 30000 -j ACCEPT\nfilter FORWARD -i veth1 -j DROP"},
	{"accepted, udp", "boxA udp boxB:53: accepted", "filter FORWARD -p udp -m udp --dport 54 -j DROP", "filter FORWARD -p udp -m udp --dport 53 -j DROP"},
	{"accepted, sctp", "boxA sctp boxB:3868: accepted", "filter FORWARD -p sctp -m sctp --dport 3869 -j DROP", "filter FORWARD -p sctp -m sctp --dport 3868 -j DROP"},
	{"accepted, another protocol", "boxA 47 boxB: accepted", "filter FORWARD -p esp -j DROP", "filter FORWARD -p gre -j DROP"},
	{"accepted, behind a host", "boxA http well:8080: answered by well with deep", "filter FORWARD -d 10.9.0.6/32 -j DROP", "filter FORWARD -d 10.9.0.5/32 -j DROP"},
	{"accepted, through a bridge", "boxB tcp other:9: accepted by other", "filter FORWARD -d 10.0.0.2/32 -j DROP", "filter FORWARD -d 10.0.0.3/32 -j REJECT --reject-with tcp-reset -p tcp"},
	{"accepted, a conversation", "boxB http boxA: accepted", "filter FORWARD -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT\nfilter FORWARD -i eth0 -j DROP", "filter FORWARD -i eth0 -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\nfilter FORWARD -i eth0 -j DROP"},
	{"accepted, its answers", "boxB tcp boxA:22: accepted", "filter FORWARD -o eth0 -p tcp -m tcp --sport 22 -j ACCEPT", "filter FORWARD -o eth0 -p tcp -m tcp --sport 22 --tcp-flags PSH PSH -j DROP"},
	{"dropped", "boxB ping boxA: dropped", "filter FORWARD -i eth0 -j DROP", "filter FORWARD -i eth1 -j DROP"},
	{"rejected with ICMP", "boxB udp boxA:53: rejected with icmp-admin-prohibited", "filter FORWARD -i eth0 -j REJECT --reject-with icmp-admin-prohibited", "filter FORWARD -i eth0 -j REJECT --reject-with icmp-port-unreachable"},
	{"rejected with RST", "boxB tcp boxA:22: rejected with tcp-reset", "filter FORWARD -i eth0 -p tcp -j REJECT --reject-with tcp-reset", "filter FORWARD -i eth0 -p tcp -j REJECT --reject-with icmp-port-unreachable"},
	{"rejected after REDIRECT", "boxA tcp boxB:53: rejected with icmp-port-unreachable", "nat PREROUTING -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 22\nfilter INPUT -p tcp -j REJECT --reject-with icmp-port-unreachable", "nat PREROUTING -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 22\nfilter INPUT -p tcp -j REJECT --reject-with icmp-host-prohibited"},
	{"rejected, not refused", "boxB tcp other:99: rejected with tcp-reset", "filter FORWARD -i eth0 -p tcp -j REJECT --reject-with tcp-reset", "filter FORWARD -i eth1 -p tcp -j REJECT --reject-with tcp-reset"},
	{"rejected by the router for itself", "boxB tcp router:99: rejected with tcp-reset", "filter INPUT -p tcp -j REJECT --reject-with tcp-reset", "filter INPUT -p udp -j DROP"},
	{"refused, not rejected", "boxB udp other:99: accepted by other", "filter FORWARD -p tcp -j REJECT --reject-with tcp-reset", "filter FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable"},
	{"unanswered", "boxA ping boxB: unanswered by boxB", "filter FORWARD -i veth1 -j ACCEPT\nfilter FORWARD -j DROP", "filter FORWARD -i veth1 -j ACCEPT\nfilter FORWARD -i eth0 -j ACCEPT\nfilter FORWARD -j DROP"},
	{"unroutable", "boxA ping 192.0.2.9: unroutable", "filter FORWARD -j DROP", "raw PREROUTING -d 192.0.2.9/32 -j DROP"},
	{"unroutable, for nobody has the address", "boxB tcp 172.16.100.6:22: unroutable", "filter FORWARD -p udp -j DROP", "filter FORWARD -p tcp -j DROP"},
	{"answered", "boxB http 172.16.200.1:8800: answered by boxA with \"Hello from boxA\"", "nat PREROUTING -p tcp -m tcp --dport 8800 -j DNAT --to-destination 172.16.100.5:80", "nat PREROUTING -p tcp -m tcp --dport 8800 -j DNAT --to-destination 10.9.0.5:8080"},
	{"a silent service", "boxB tcp boxA:25: accepted answer \"\"", "filter FORWARD -p tcp -m tcp --dport 26 -j DROP", "nat PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.9.0.5:26"},
	{"SNAT", "boxA tcp boxB:22: accepted source 172.16.200.2", "nat POSTROUTING -o eth0 -j SNAT --to-source 172.16.200.2", "nat POSTROUTING -o eth0 -j SNAT --to-source 172.16.200.1"},
	{"MASQUERADE", "boxA udp boxB:53: accepted source 172.16.200.1", "nat POSTROUTING -o eth0 -j MASQUERADE", "nat POSTROUTING -o eth2 -j MASQUERADE"},
	{"DNAT", "boxB tcp 172.16.200.1:2222: accepted by boxA destination 172.16.100.5:22", "nat PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 172.16.100.5:22", "nat PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 172.16.100.5:23"},
	{"REDIRECT", "boxA tcp boxB:80: accepted by router destination :3128", "nat PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "nat PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 3128"},
	{"mark, forwarded", "boxA ping boxB: accepted mark 0x10/0xf0", "mangle FORWARD -j MARK --set-xmark 0x1f/0xffffffff", "mangle FORWARD -j MARK --set-xmark 0x2f/0xffffffff"},
	{"mark, for the router", "boxA ping router: accepted mark 7", "mangle INPUT -j MARK --set-xmark 0x7/0xffffffff", "mangle INPUT -p tcp -j MARK --set-xmark 0x7/0xffffffff"},
	{"established replies pass", "boxA tcp boxB:22: accepted answer boxB", "filter FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\nfilter FORWARD -i eth0 -j DROP", "filter FORWARD -i eth0 -j DROP"},
	{"related replies pass", "boxA udp other:9: accepted by other", "filter FORWARD -m conntrack --ctstate RELATED -j ACCEPT\nfilter FORWARD -i eth2 -j DROP", "filter FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\nfilter FORWARD -i eth2 -j DROP"},
	{"new ones do not", "boxB tcp boxA:22: dropped", "filter FORWARD -i eth0 -m conntrack --ctstate NEW -j DROP", "filter FORWARD -i eth0 -m conntrack --ctstate INVALID -j DROP"},
	{"rate limit", "boxB ping boxA: 3 of 8 accepted", "filter FORWARD -i eth0 -m limit --limit 1/min --limit-burst 3 -j ACCEPT\nfilter FORWARD -i eth0 -j DROP", "filter FORWARD -i eth0 -m limit --limit 1/min --limit-burst 4 -j ACCEPT\nfilter FORWARD -i eth0 -j DROP"},
	{"raw flags", "boxB tcp boxA:22 flags fin,psh,urg: dropped", "filter FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG -j DROP", "filter FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH -j DROP"},
	{"no flags", "boxB tcp boxA:22 flags none: dropped", "filter FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP", "filter FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN -j DROP"},
	{"icmp types", "boxB icmp boxA type 13: dropped", "filter FORWARD -p icmp -m icmp --icmp-type 13 -j DROP", "filter FORWARD -p icmp -m icmp --icmp-type 8 -j DROP"},
	{"fragments pass", "boxA udp boxB:53 size 4000: accepted", "filter FORWARD -p tcp -j DROP", "filter FORWARD -f -j DROP"},
	{"fragments do not", "boxA ping boxB size 4000: dropped", "filter FORWARD -f -j DROP", "filter FORWARD -p tcp -j DROP"},
	{"forged sender", "boxB udp boxA:53 from-address 172.16.100.77: dropped", "raw PREROUTING -s 172.16.100.0/24 -i eth0 -j DROP", "raw PREROUTING -s 172.16.101.0/24 -i eth0 -j DROP"},
	{"source port", "boxB udp boxA:53 from-port 123: dropped", "filter FORWARD -p udp -m udp --sport 123 -j DROP", "filter FORWARD -p udp -m udp --sport 124 -j DROP"},
	{"ttl", "boxB ping boxA ttl 9: dropped", "filter FORWARD -m ttl --ttl-eq 8 -j DROP", "filter FORWARD -m ttl --ttl-eq 9 -j DROP"},
	{"tos", "boxB ping boxA tos 16: dropped", "filter FORWARD -m tos --tos 0x10/0xff -j DROP", "filter FORWARD -m tos --tos 0x08/0xff -j DROP"},
	{"what it says", "boxB tcp boxA:25: accepted", "filter FORWARD -p tcp -m tcp --dport 25 --tcp-flags SYN SYN -j ACCEPT", "filter FORWARD -p tcp -m tcp --dport 25 --tcp-flags SYN SYN -j DROP"},
	{"input", "boxB tcp router:22: dropped", "filter INPUT -i eth0 -j DROP", "filter FORWARD -i eth0 -j DROP"},
	{"output", "router tcp boxB:25: rejected with icmp-port-unreachable", "filter OUTPUT -p tcp -m tcp --dport 25 -j REJECT --reject-with icmp-port-unreachable", "filter OUTPUT -p tcp -m tcp --dport 25 -j DROP"},
	{"output dropped", "router ping boxB: dropped", "filter OUTPUT -j DROP", "filter OUTPUT -p tcp -j DROP"},
	{"output's answer", "router ping boxB: unanswered", "filter INPUT -i eth0 -j DROP", "filter INPUT -i veth1 -j DROP"},
	{"to itself", "router tcp 172.16.200.1:22: dropped", "filter INPUT -i lo -j DROP", "filter INPUT -i eth0 -j DROP"},
	{"ip6 ping", "boxA ping6 boxB: accepted", "6filter FORWARD -p tcp -j DROP", "6filter FORWARD -j DROP"},
	{"ip6 tcp", "boxB tcp6 boxA:22: dropped", "6filter FORWARD -i eth0 -p tcp -j DROP", "6filter FORWARD -i veth1 -p udp -j DROP"},
	{"ip6 rejected", "boxB udp6 boxA:53: rejected with icmp6-adm-prohibited", "6filter FORWARD -i eth0 -j REJECT --reject-with icmp6-adm-prohibited", "6filter FORWARD -i eth0 -j REJECT --reject-with icmp6-port-unreachable"},
	{"ip6 reset", "boxB tcp6 router:53: rejected with tcp-reset", "6filter INPUT -i eth0 -p tcp -j REJECT --reject-with tcp-reset", "6filter INPUT -p udp -j DROP"},
	{"ip6 SNAT", "boxA tcp6 boxB:22: accepted source fd00:200::1", "6nat POSTROUTING -o eth0 -j MASQUERADE", "6nat POSTROUTING -o eth2 -j MASQUERADE"},
	{"ip6 DNAT", "boxB http6 router.wan:8800: answered by boxA", "6nat PREROUTING -p tcp -m tcp --dport 8800 -j DNAT --to-destination [fd00:100::5]:80", "6nat PREROUTING -p tcp -m tcp --dport 8801 -j DNAT --to-destination [fd00:100::5]:80"},
	{"ip6 fragments", "boxA ping6 boxB size 4000: accepted", "6filter FORWARD -p tcp -j DROP", "6filter FORWARD -p ipv6-icmp -j DROP"},
	{"ip6 neighbours", "boxB ping6 router: accepted", "6filter INPUT -p tcp -j DROP", "6filter INPUT -j DROP"},
	{"ip6 output", "router tcp6 boxB:25: dropped", "6filter OUTPUT -p tcp -m tcp --dport 25 -j DROP", "6filter OUTPUT -p tcp -m tcp --dport 26 -j DROP"},
}

// TestMutations shows for each kind of expectation that its test passes, and
// that it fails where a rule is broken.
func TestMutations(t *testing.T) {
	for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			var table strings.Builder
			w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
			for _, m := range mutations {
				spec := parse(t, mutationNet+m.test+"\n")
				good, broken := one(t, spec, rules(t, b, m.rules)), one(t, spec, rules(t, b, m.broken))
				fmt.Fprintf(w, "%s\t%s\t%.300s\n", m.kind, m.test, broken.Got)
				if !good.OK {
					t.Errorf("%s: %s: got %s", m.kind, m.test, good.Got)
				}
				if broken.OK {
					t.Errorf("%s: %s: passes with broken rules: %s", m.kind, m.test, broken.Got)
				}
			}
			w.Flush()
			t.Logf("with a rule broken:\n%s", table.String())
		})
	}
}

func parse(t testing.TB, text string) *Spec {
	t.Helper()
	s, err := ParseSpec("spec.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one runs a spec of one test.
func one(t testing.TB, s *Spec, snap *ruleset.Snapshot) Result {
	t.Helper()
	rep, err := Run(context.Background(), RunOptions{Specs: []*Spec{s}, Snapshot: snap})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Results[0]
}

// rules makes a snapshot of lines that begin with their table.
func rules(t testing.TB, b ruleset.Backend, lines string) *ruleset.Snapshot {
	t.Helper()
	chains := map[string][]string{"filter": {"INPUT", "FORWARD", "OUTPUT"}, "nat": {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"},
		"raw": {"PREROUTING", "OUTPUT"}, "mangle": {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}}
	texts := map[ruleset.Kind]string{}
	for _, six := range []string{"", "6"} {
		for _, table := range []string{"raw", "mangle", "nat", "filter"} {
			var body string
			for line := range strings.SplitSeq(lines, "\n") {
				if rule, ok := strings.CutPrefix(line, six+table+" "); ok {
					body += "-A " + rule + "\n"
				}
			}
			if body == "" {
				continue
			}
			kind := ruleset.IPTables
			if six != "" {
				kind = ruleset.IP6Tables
			}
			text := "*" + table + "\n"
			for _, c := range chains[table] {
				text += ":" + c + " ACCEPT [0:0]\n"
			}
			texts[kind] += text + body + "COMMIT\n"
		}
	}
	var dumps []ruleset.Dump
	for kind, text := range texts {
		dumps = append(dumps, ruleset.Dump{Kind: kind, Backend: b, Text: []byte(text)})
	}
	return snapshotOf(t, dumps...)
}
