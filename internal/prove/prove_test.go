package prove

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(m.Run())
}

// ruled is a snapshot of some rules, each behind its table: "nat -A …". A line
// of "policy" sets one; sets are lines of ipset.
func ruled(t testing.TB, v6 bool, backend ruleset.Backend, rules string) *ruleset.Snapshot {
	t.Helper()
	chains := map[string][]string{"raw": {"PREROUTING", "OUTPUT"}, "mangle": {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
		"nat": {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}, "filter": {"INPUT", "FORWARD", "OUTPUT"}}
	var text, sets strings.Builder
	for _, table := range []string{"raw", "mangle", "nat", "filter"} {
		text.WriteString("*" + table + "\n")
		body := ""
		policy := map[string]string{}
		for line := range strings.SplitSeq(rules, "\n") {
			line = strings.TrimSpace(line)
			switch f := strings.Fields(line); {
			case len(f) == 0 || f[0] != table:
			case f[1] == "policy":
				policy[f[2]] = f[3]
			case f[1] == "-N":
				body = ":" + f[2] + " - [0:0]\n" + body
			default:
				body += strings.TrimPrefix(line, table+" ") + "\n"
			}
		}
		for _, c := range chains[table] {
			if policy[c] == "" {
				policy[c] = "ACCEPT"
			}
			text.WriteString(":" + c + " " + policy[c] + " [0:0]\n")
		}
		text.WriteString(body + "COMMIT\n")
	}
	for line := range strings.SplitSeq(rules, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "create ") || strings.HasPrefix(line, "add ") {
			sets.WriteString(line + "\n")
		}
	}
	kind := ruleset.IPTables
	if v6 {
		kind = ruleset.IP6Tables
	}
	list := []ruleset.Dump{{Kind: kind, Backend: backend, Text: []byte(text.String())}}
	if sets.Len() > 0 {
		list = append(list, ruleset.Dump{Kind: ruleset.IPSet, Text: []byte(sets.String())})
	}
	s, err := dump.Snapshot(list)
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	return s
}

func compared(t testing.TB, old, new *ruleset.Snapshot) []packets.Region {
	t.Helper()
	r, err := packets.Diff(context.Background(), old, new, packets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Regions
}

// TestMakeable proves what each rule does that is added to a firewall, on both
// backends: states, marks, kinds of addresses and all that takes some making.
// The last column is what the reasons of those must be that are not proved.
func TestMakeable(t *testing.T) {
	const closed = "filter policy INPUT DROP\nfilter policy FORWARD DROP\nfilter policy OUTPUT DROP\n"
	for _, c := range []struct{ name, old, added, not string }{
		{"established", closed, "filter -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", ""},
		{"established in", closed, "filter -A INPUT -p udp -m conntrack --ctstate ESTABLISHED -j ACCEPT", ""},
		{"established out", closed, "filter -A OUTPUT -p tcp -m tcp --sport 22 -m conntrack --ctstate ESTABLISHED -j ACCEPT", ""},
		{"replies", closed, "filter -A FORWARD -m conntrack --ctdir REPLY --ctstate ESTABLISHED -j ACCEPT", ""},
		{"related error", closed, "filter -A FORWARD -p icmp -m conntrack --ctstate RELATED -j ACCEPT", ""},
		{"related", closed, "filter -A FORWARD -p tcp -m conntrack --ctstate RELATED -j ACCEPT", ""},
		{"related translated", closed + "filter -A FORWARD -m conntrack --ctstate RELATED -j ACCEPT", "nat -A PREROUTING -p tcp -m tcp --dport 5000 -j DNAT --to-destination 192.0.2.9", ""},
		{"invalid", "filter policy FORWARD ACCEPT", "filter -A FORWARD -m conntrack --ctstate INVALID -j DROP", ""},
		{"invalid udp", "filter policy FORWARD ACCEPT", "filter -A FORWARD -p udp -m conntrack --ctstate INVALID -j DROP", ""},
		{"invalid syn", "filter policy FORWARD ACCEPT", "filter -A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset", ""},
		{"invalid ack", "filter policy INPUT ACCEPT", "filter -A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK ACK -m conntrack --ctstate INVALID -j DROP", ""},
		{"snat state", closed, "filter -A FORWARD -m conntrack --ctstate SNAT -j ACCEPT", ""},
		{"dnat state", closed, "filter -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT", ""},
		{"dnat state, marked", closed + "mangle -A PREROUTING -i eth+ -j MARK --set-xmark 0x1/0xffffffff", "filter -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT", ""},
		{"mark", closed, "filter -A FORWARD -m mark --mark 0x5 -j ACCEPT", ""},
		{"mark in", closed, "filter -A INPUT -m mark --mark 0x5/0xff -j ACCEPT", ""},
		{"mark out", closed, "filter -A OUTPUT -m mark --mark 0x5 -j ACCEPT", ""},
		{"connmark", closed, "filter -A FORWARD -m connmark --mark 0x7 -j ACCEPT", ""},
		{"set mark", "", "mangle -A PREROUTING -p udp -j MARK --set-xmark 0x3/0xffffffff", ""},
		{"save mark", "", "mangle -A FORWARD -p udp -m mark --mark 0x3 -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", ""},
		{"local", closed, "filter -A INPUT -p udp -m addrtype --dst-type LOCAL -j ACCEPT", ""},
		{"not local", closed, "filter -A FORWARD -p udp -m addrtype ! --dst-type LOCAL -j ACCEPT", ""},
		{"local source", closed, "filter -A OUTPUT -p udp -m addrtype --src-type LOCAL -j ACCEPT", ""},
		{"broadcast", closed, "filter -A INPUT -p udp -m addrtype --dst-type BROADCAST -j ACCEPT", ""},
		{"multicast", closed, "filter -A INPUT -d 224.0.0.0/4 -p udp -m addrtype --dst-type MULTICAST -j ACCEPT", ""},
		{"multicast out", closed, "filter -A OUTPUT -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT", ""},
		{"broadcast frame", closed, "filter -A INPUT -p udp -m pkttype --pkt-type broadcast -j ACCEPT", ""},
		{"all ones", closed, "filter -A INPUT -d 255.255.255.255/32 -p udp -m udp --dport 67 -j ACCEPT", ""},
		{"mac", closed, "filter -A FORWARD -m mac --mac-source 02:00:00:00:00:42 -j ACCEPT", ""},
		{"ttl", closed, "filter -A FORWARD -m ttl --ttl-lt 5 -j ACCEPT", ""},
		{"length", closed, "filter -A FORWARD -p udp -m length --length 1400:1500 -j ACCEPT", ""},
		{"tos", closed, "filter -A FORWARD -m dscp --dscp 0x2e -j ACCEPT", ""},
		{"interfaces", closed, "filter -A FORWARD -i wg+ -o br-0a1b2c -j ACCEPT", ""},
		{"loopback", closed, "filter -A INPUT -i lo -j ACCEPT", ""},
		{"loopback out", closed, "filter -A OUTPUT -o lo -j ACCEPT", ""},
		{"dnat", "filter policy FORWARD ACCEPT", "nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.80:8080", ""},
		{"dnat range", "filter policy FORWARD ACCEPT", "nat -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.80-192.0.2.84", ""},
		{"redirect", "", "nat -A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", ""},
		{"redirect into nothing", "filter policy INPUT DROP", "nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", ""},
		{"redirect of what was dropped", "filter policy FORWARD DROP", "nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", ""},
		{"netmap", "", "nat -A PREROUTING -d 203.0.113.0/24 -j NETMAP --to 192.0.2.0/24", ""},
		{"masquerade", "", "nat -A POSTROUTING -o ppp0 -j MASQUERADE", ""},
		{"snat", "", "nat -A POSTROUTING -s 10.0.0.0/8 -j SNAT --to-source 203.0.113.7", ""},
		{"port unreachable", "", "filter -A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable", ""},
		{"net unreachable", "", "filter -A INPUT -p udp -j REJECT --reject-with icmp-net-unreachable", ""},
		{"admin prohibited", "", "filter -A OUTPUT -p udp -j REJECT --reject-with icmp-admin-prohibited", ""},
		{"reset", "", "filter -A OUTPUT -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset", ""},
		{"limit", closed, "filter -A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 1/sec -j ACCEPT", ""},
		{"over the limit", "filter -A INPUT -p icmp -m limit --limit 1/min -j ACCEPT", "filter -A INPUT -p icmp -j DROP", ""},
		{"set", closed, "create s hash:net,port family inet\nadd s 10.0.0.0/8,tcp:22\nfilter -A INPUT -m set --match-set s src,dst -j ACCEPT", ""},
		{"empty set", closed, "create s hash:ip family inet\nfilter -A INPUT -p udp -m set --match-set s src -j ACCEPT", "^it depends on -m set"},
		{"owner", closed, "filter -A OUTPUT -p udp -m owner --uid-owner 0 -j ACCEPT", ""},
		{"another owner", closed, "filter -A OUTPUT -p udp -m owner --uid-owner 7 -j ACCEPT", ""},
		{"string", "filter policy FORWARD ACCEPT", "filter -A FORWARD -p udp -m string --string \"forbidden\" --algo bm --to 65535 -j DROP", ""},
		{"long string", "filter policy FORWARD ACCEPT", "filter -A FORWARD -p tcp -m string --string \"more than there is room for\" --algo bm --to 65535 -j DROP", ""},
		{"no string", "filter -A FORWARD -p udp -m string --string \"forbidden\" --algo bm --to 65535 -j ACCEPT", "filter -A FORWARD -p udp -j DROP", ""},
		{"sctp", closed, "filter -A FORWARD -p sctp -m sctp --dport 38412 -j ACCEPT", ""},
		{"reset behind dnat", "nat -A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080", "filter -A INPUT -p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset", ""},
		{"refused dccp", "", "filter -A FORWARD -p dccp -j REJECT --reject-with icmp-port-unreachable", ""},
		{"refused others", "", "filter -A INPUT -p ospf -j REJECT --reject-with icmp-port-unreachable", ""},
		{"gre", closed, "filter -A FORWARD -p gre -j ACCEPT", ""},
		{"notrack", "", "raw -A PREROUTING -p udp -m udp --dport 53 -j CT --notrack", ""},
		{"time", closed, "filter -A INPUT -p udp -m time --timestart 02:00:00 --timestop 03:00:00 -j ACCEPT", "^it depends on -m time"},
		{"queue", "", "filter -A INPUT -p udp -j NFQUEUE --queue-num 3", "^a program decides"},
		{"forward multicast", closed, "filter -A FORWARD -d 224.0.1.1/32 -p udp -j ACCEPT", "^without any rule"},
		{"martian", closed, "filter -A INPUT -s 224.0.0.0/4 -j ACCEPT", "^without any rule"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
				old, new := ruled(t, false, backend, c.old), ruled(t, false, backend, c.old+"\n"+c.added)
				if strings.Contains(c.added, "create ") {
					old = ruled(t, false, backend, c.old+"\n"+strings.Split(c.added, "\nfilter")[0])
				}
				regions := compared(t, old, new)
				if len(regions) == 0 {
					t.Fatal("no packet's fate changed")
				}
				proofs, err := Regions(context.Background(), old, new, regions)
				if err != nil {
					t.Fatal(err)
				}
				proved := 0
				for i, p := range proofs {
					switch {
					case p.Disagrees():
						t.Errorf("%s: %s\n%+v\nexample %+v", backend, p.Sent, p, regions[i].Example)
					case p.NotProved == "":
						proved++
					case c.not == "" || !regexp.MustCompile(c.not).MatchString(p.NotProved):
						t.Errorf("%s: %s: not proved: %s\nexample %+v", backend, regions[i].Words(), p.NotProved, regions[i].Example)
					}
				}
				if proved > 0 && c.not != "" {
					t.Errorf("%s: proved, and should say %s: %+v", backend, c.not, proofs)
				}
			}
		})
	}
}

// TestTestdata proves the pairs that the reports' tests have.
func TestTestdata(t *testing.T) {
	files, err := filepath.Glob("../../ci/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	source := regexp.MustCompile(`(?m)  # \S+:\d+$`)
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			var dumps [2][]ruleset.Dump
			for _, f := range a.Files {
				side, name, _ := strings.Cut(f.Name, "/")
				kind, _, ok := ruleset.DumpOf(name)
				if i := map[string]int{"old": 1, "new": 2}[side]; ok && i > 0 {
					d := ruleset.Dump{Kind: kind, Text: source.ReplaceAll(f.Data, nil)}
					if kind.Family() != "" {
						d.Backend = backend
					}
					dumps[i-1] = append(dumps[i-1], d)
				}
			}
			old, err := dump.Snapshot(dumps[0])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			new, err := dump.Snapshot(dumps[1])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			regions := compared(t, old, new)
			proofs, err := Regions(context.Background(), old, new, regions)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			proved := 0
			for i, p := range proofs {
				switch {
				case p.Disagrees():
					t.Errorf("%s: %s: %+v\n%+v", file, p.Sent, p, regions[i].Example)
				case p.Agrees():
					proved++
				default:
					t.Logf("%s: %s: not proved: %s", filepath.Base(file), regions[i].Words(), p.NotProved)
				}
			}
			t.Logf("%s on %s: %d of %d proved", filepath.Base(file), backend, proved, len(proofs))
		}
	}
}

// TestDisagreement sends the examples of one comparison through other
// firewalls: the claims are then wrong, and it must say so.
func TestDisagreement(t *testing.T) {
	old := ruled(t, false, ruleset.NFT, "filter policy INPUT DROP\nfilter policy FORWARD DROP")
	new := ruled(t, false, ruleset.NFT, "filter policy INPUT DROP\nfilter policy FORWARD DROP\nfilter -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"+
		"filter -A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable\nnat -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.80\nfilter -A FORWARD -d 192.0.2.80/32 -j ACCEPT")
	regions := compared(t, old, new)
	proofs, err := through(context.Background(), task{Old: lab.FirewallOf(new), New: lab.FirewallOf(old)}, old, new, regions)
	if err != nil {
		t.Fatal(err)
	}
	if len(proofs) < 3 {
		t.Fatalf("%d regions", len(proofs))
	}
	for _, p := range proofs {
		if !p.Disagrees() {
			t.Errorf("%+v", p)
		}
	}
	other := ruled(t, false, ruleset.NFT, "filter policy INPUT DROP\nfilter policy FORWARD DROP\nfilter -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"+
		"filter -A FORWARD -p udp -j REJECT --reject-with icmp-host-unreachable\nnat -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.80:81\nfilter -A FORWARD -d 192.0.2.80/32 -j ACCEPT")
	proofs, err = through(context.Background(), task{Old: lab.FirewallOf(old), New: lab.FirewallOf(other)}, old, new, regions)
	if err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	for _, p := range proofs {
		if p.Disagrees() {
			fmt.Fprintln(&seen, p.New.Seen)
		}
	}
	for _, want := range []string{"another answer", "it went to 192.0.2.80:81, not 192.0.2.80:80"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("nothing says %q: %s", want, seen.String())
		}
	}
}

// TestFalseClaim turns a claim round: the rules do not bear it out, and no such
// region counts as proved, nor as one that could not be.
func TestFalseClaim(t *testing.T) {
	old := ruled(t, false, ruleset.NFT, "filter policy INPUT DROP")
	new := ruled(t, false, ruleset.NFT, "filter policy INPUT DROP\nfilter -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nfilter -A INPUT -p udp -j REJECT --reject-with icmp-port-unreachable")
	regions := compared(t, old, new)
	if len(regions) != 2 {
		t.Fatalf("%d regions", len(regions))
	}
	regions[0].ExampleNew = packets.Outcome{Verdict: packets.Reject, With: "tcp-reset"}
	proofs, err := Regions(context.Background(), old, new, regions)
	if err != nil {
		t.Fatal(err)
	}
	if p := &proofs[0]; !p.Disagrees() || !p.Old.Agrees || p.New.Agrees || !strings.Contains(p.New.Seen, "the rules, one by one, say ") {
		t.Errorf("%+v", p)
	}
	if p := &proofs[1]; !p.Agrees() {
		t.Errorf("%+v", p)
	}
}

// TestTime proves fifty examples in less than three seconds.
func TestTime(t *testing.T) {
	rules := "filter policy INPUT DROP\n"
	old := ruled(t, false, ruleset.NFT, rules)
	for i := range 50 {
		rules += fmt.Sprintf("filter -A INPUT -s 10.0.%d.0/24 -p tcp -m tcp --dport %d -j REJECT --reject-with %s\n", i, 1000+i, []string{"tcp-reset", "icmp-port-unreachable"}[i%2])
	}
	new := ruled(t, false, ruleset.NFT, rules)
	regions := compared(t, old, new)
	for len(regions) < 50 {
		regions = append(regions, regions...)
	}
	start := time.Now()
	proofs, err := Regions(context.Background(), old, new, regions[:50])
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	for _, p := range proofs {
		if !p.Agrees() {
			t.Errorf("%+v", p)
		}
	}
	t.Logf("%d examples in %s", len(proofs), took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("%d examples took %s", len(proofs), took)
	}
}
