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
