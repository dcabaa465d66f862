package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

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
