package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// sh runs a script in the calling thread's namespace.
func sh(script string) error {
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%.200s: %w\n%s", script, err, out)
	}
	return nil
}

func parsed(t *testing.T, dumps ...ruleset.Dump) *ruleset.Snapshot {
	t.Helper()
	s, err := dump.Snapshot(dumps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func packet(t *testing.T, text string) lab.Packet {
	t.Helper()
	p, err := lab.ParsePacket(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logged has a LOG in every chain, as the labs have that people build by hand to
// see where packets come through.
func logged(t *testing.T, kind ruleset.Kind, b ruleset.Backend) *ruleset.Snapshot {
	var text strings.Builder
	for _, table := range []struct{ name, chains string }{
		{"raw", "PREROUTING OUTPUT"}, {"mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"},
		{"nat", "PREROUTING INPUT OUTPUT POSTROUTING"}, {"filter", "INPUT FORWARD OUTPUT"}, {"security", "INPUT FORWARD OUTPUT"},
	} {
		fmt.Fprintf(&text, "*%s\n", table.name)
		for c := range strings.FieldsSeq(table.chains) {
			fmt.Fprintf(&text, ":%s ACCEPT [0:0]\n", c)
		}
		for c := range strings.FieldsSeq(table.chains) {
			fmt.Fprintf(&text, "-A %s -j LOG --log-prefix \"%s %s \"\n", c, table.name, c)
		}
		text.WriteString("COMMIT\n")
	}
	return parsed(t, ruleset.Dump{Kind: kind, Backend: b, Text: []byte(text.String())})
}

// orders are the tables and chains that packets meet, as iptables(8) and the
// labs have them.
var orders = []struct{ v4, v6, out, want string }{
	{"tcp 198.51.100.9 > 203.0.113.1:80 in eth0", "tcp 2001:db8::9 > [2001:db8::1]:80 in eth0", "eth1",
		"raw PREROUTING, mangle PREROUTING, nat PREROUTING, mangle FORWARD, filter FORWARD, security FORWARD, mangle POSTROUTING, nat POSTROUTING"},
	{"udp 198.51.100.9 > 203.0.113.1:80 in eth0", "udp 2001:db8::9 > [2001:db8::1]:80 in eth0", "",
		"raw PREROUTING, mangle PREROUTING, nat PREROUTING, mangle INPUT, filter INPUT, security INPUT, nat INPUT"},
	{"icmp 203.0.113.1 > 198.51.100.9", "icmp 2001:db8::1 > 2001:db8::9", "",
		"raw OUTPUT, mangle OUTPUT, nat OUTPUT, filter OUTPUT, security OUTPUT, mangle POSTROUTING, nat POSTROUTING"},
}

func TestTraceOrder(t *testing.T) {
	for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables} {
		for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			t.Run(string(kind)+"-"+string(b), func(t *testing.T) {
				snap := logged(t, kind, b)
				var plans []*lab.TracePlan
				var wants []string
				for _, o := range orders {
					text := o.v4
					if kind == ruleset.IP6Tables {
						text = o.v6
					}
					p := packet(t, text)
					host := lab.TraceHost{Out: o.out}
					if o.out == "" && p.In != "" {
						host.Local = []netip.Addr{p.Dst}
					}
					plan, err := lab.PlanTrace(snap, p, host)
					if err != nil {
						t.Fatal(err)
					}
					if b == ruleset.NFT {
						// 150 is its priority there, and 50 in the kernel's own
						// table (NF_IP_PRI_SECURITY): behind nat's 100.
						o.want = strings.Replace(o.want, "security INPUT, nat INPUT", "nat INPUT, security INPUT", 1)
					}
					plans, wants = append(plans, plan), append(wants, o.want)
				}
				// In this process, as root; and in a user namespace.
				if os.Geteuid() == 0 {
					r, err := lab.NewRouter(context.Background(), snap, "eth0", "eth1")
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					for i, plan := range plans {
						if err := r.Arrange(plan.Arrangement); err != nil {
							t.Fatal(err)
						}
						tr, _, err := r.Trace(context.Background(), snap, plan.Packet)
						if err != nil {
							t.Fatal(err)
						}
						held(t, plan.Packet.String(), wants[i], tr)
					}
				}
				for i, plan := range plans {
					res, err := lab.RunTrace(context.Background(), snap, plan)
					if err != nil {
						t.Fatal(err)
					}
					held(t, plan.Packet.String(), wants[i], &res.Trace)
				}
			})
		}
	}
}

// held holds the first packet's way to the order, and to a rule and a policy in
// each chain.
func held(t *testing.T, packet, want string, tr *lab.Trace) {
	t.Helper()
	if len(tr.Paths) == 0 {
		t.Errorf("%s: nothing is told", packet)
		return
	}
	if diff := cmp.Diff(strings.Split(want, ", "), tr.Paths[0].Order()); diff != "" {
		t.Errorf("%s: order (-want +got):\n%s", packet, diff)
	}
	for i, h := range tr.Paths[0].Hops {
		kind, text := lab.HopRule, fmt.Sprintf("-j LOG --log-prefix \"%s %s \"", h.Table, h.Chain)
		if i%2 == 1 {
			kind, text = lab.HopPolicy, ""
		}
		if h.Kind != kind || h.Text != text {
			t.Errorf("%s: hop %d is %+v", packet, i, h)
		}
	}
}

// TestTraceOrdinaryUser runs TestTraceOrder as a user who has no rights at all.
func TestTraceOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the user is an ordinary one: TestTraceOrder is this test")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTraceOrder$", "-test.v")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestTraceOrder/iptables-legacy")) {
		t.Errorf("%v\n%s", err, out)
	}
}

const tracedRules = `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -j MARK --set-xmark 0x3/0xffffffff
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8800 -j DNAT --to-destination 172.16.100.5:80
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:empty - [0:0]
:web - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j DROP
-A FORWARD -p icmp -g empty
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o veth1 -j empty
-A FORWARD -i eth0 -o veth1 -m comment --comment "a -j REJECT" -j web
-A FORWARD -d 172.16.100.9/32 -j RETURN
-A FORWARD -d 172.16.100.0/24 -p udp -m comment --comment "bare"
-A FORWARD -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset
-A FORWARD -o eth0 -j ACCEPT
-A web -p tcp -m tcp --dport 80 -j ACCEPT
-A web -s 192.0.2.7/32 -j RETURN
-A web -p udp -j REJECT --reject-with icmp-port-unreachable
COMMIT
`

// What a trace says is the same on both backends, but for the mark, which legacy
// tables tell ahead of the rule, and the state, which they do not tell.
func TestTraceText(t *testing.T) {
	for _, tt := range []struct{ packet, state, want string }{
		{packet: "tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0", want: `
tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0
  mangle PREROUTING   1 -p tcp -j MARK --set-xmark 0x3/0xffffffff
  mangle PREROUTING   policy ACCEPT
  nat PREROUTING      1 -p tcp -m tcp --dport 8800 -j DNAT --to-destination 172.16.100.5:80  → accepted
                      now tcp 203.0.113.9:40000 > 172.16.100.5:80
  mangle FORWARD      policy ACCEPT
  filter FORWARD      3 -i eth0 -o veth1 -j empty
  filter empty        end of the chain
  filter FORWARD      4 -i eth0 -o veth1 -m comment --comment "a -j REJECT" -j web
  filter web          1 -p tcp -m tcp --dport 80 -j ACCEPT  → accepted
  mangle POSTROUTING  policy ACCEPT
  nat POSTROUTING     policy ACCEPT
= accepted filter web 1
`},
		{packet: "udp 192.0.2.7:5 > 172.16.100.9:53 in eth0", want: `
udp 192.0.2.7:5 > 172.16.100.9:53 in eth0
  mangle PREROUTING  policy ACCEPT
  nat PREROUTING     policy ACCEPT
  mangle FORWARD     policy ACCEPT
  filter FORWARD     3 -i eth0 -o veth1 -j empty
  filter empty       end of the chain
  filter FORWARD     4 -i eth0 -o veth1 -m comment --comment "a -j REJECT" -j web
  filter web         2 -s 192.0.2.7/32 -j RETURN
  filter FORWARD     5 -d 172.16.100.9/32 -j RETURN
  filter FORWARD     policy DROP  → dropped
= dropped filter FORWARD policy DROP
`},
		{packet: "udp 192.0.2.8:5 > 172.16.100.9:53 in eth0", want: `
udp 192.0.2.8:5 > 172.16.100.9:53 in eth0
  mangle PREROUTING  policy ACCEPT
  nat PREROUTING     policy ACCEPT
  mangle FORWARD     policy ACCEPT
  filter FORWARD     3 -i eth0 -o veth1 -j empty
  filter empty       end of the chain
  filter FORWARD     4 -i eth0 -o veth1 -m comment --comment "a -j REJECT" -j web
  filter web         3 -p udp -j REJECT --reject-with icmp-port-unreachable  → dropped
icmp 198.19.0.5 > 192.0.2.8 type 3/3 tos 0xc0
  mangle OUTPUT       policy ACCEPT
  filter OUTPUT       policy ACCEPT
  mangle POSTROUTING  policy ACCEPT
= rejected filter web 3
`},
		{packet: "icmp 192.0.2.8 > 172.16.100.9 in eth0", want: `
icmp 192.0.2.8 > 172.16.100.9 type 8/0 in eth0
  mangle PREROUTING  policy ACCEPT
  nat PREROUTING     policy ACCEPT
  mangle FORWARD     policy ACCEPT
  filter FORWARD     1 -p icmp -g empty
  filter empty       end of the chain
  filter FORWARD     policy DROP  → dropped
= dropped filter FORWARD policy DROP
`},
		{packet: "tcp 192.0.2.8:25 > 172.16.100.9:4000 in eth0 flags ACK", state: "reply", want: `
tcp 192.0.2.8:25 > 172.16.100.9:4000 in eth0 flags ACK
  mangle PREROUTING   1 -p tcp -j MARK --set-xmark 0x3/0xffffffff
  mangle PREROUTING   policy ACCEPT
  mangle FORWARD      policy ACCEPT
  filter FORWARD      2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT  → accepted
  mangle POSTROUTING  policy ACCEPT
= accepted filter FORWARD 2
`},
	} {
		for _, b := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			t.Run(tt.packet+" "+string(b), func(t *testing.T) {
				snap := parsed(t, ruleset.Dump{Kind: ruleset.IPTables, Backend: b, Text: []byte(tracedRules)})
				plan, err := lab.PlanTrace(snap, packet(t, tt.packet), lab.TraceHost{})
				if err != nil {
					t.Fatal(err)
				}
				plan.State = tt.state
				res, err := lab.RunTrace(context.Background(), snap, plan)
				if err != nil {
					t.Fatal(err)
				}
				var text bytes.Buffer
				if err := res.Trace.Text(&text, ""); err != nil {
					t.Fatal(err)
				}
				decided := "nothing"
				if h := res.Trace.Decided(res.Verdict); h != nil {
					decided = h.Where()
				}
				fmt.Fprintf(&text, "= %s %s\n", res.Verdict, decided)
				got := "\n" + text.String()
				for _, told := range []string{"  [mark 0x3]", "  (new)", "  (related)", "  (established)"} {
					got = strings.ReplaceAll(got, told, "")
				}
				want := strings.Replace(tt.want, " in eth0 flags ACK\n", " flags ACK in eth0\n", 1)
				if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				marked := strings.HasPrefix(tt.packet, "tcp")
				if strings.Contains(text.String(), "[mark 0x3]") != marked {
					t.Errorf("no mark, or one too many:\n%s", &text)
				}
			})
		}
	}
}
