package lab

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(m.Run())
}

func snapshotOf(t testing.TB, dumps ...ruleset.Dump) *ruleset.Snapshot {
	t.Helper()
	s, err := dump.Snapshot(dumps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRouter(t testing.TB, s *ruleset.Snapshot, wires ...string) *Router {
	t.Helper()
	r, err := NewRouter(context.Background(), s, wires...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

const routerRules = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8800 -j DNAT --to-destination 172.16.100.5:80
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8801 -j DNAT --to-destination 172.16.100.5:82
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A FORWARD -p udp -j MARK --set-xmark 0x7/0xffffffff
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset
-A INPUT -p udp -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -d 172.16.100.5/32 -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 82 -j REJECT --reject-with tcp-reset
-A FORWARD -i lan+ -j ACCEPT
-A FORWARD -m mark --mark 0x9 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 53 -j DROP
COMMIT
`

// TestRouter sends packets of each journey through both backends.
func TestRouter(t *testing.T) {
	for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
		t.Run(string(backend), func(t *testing.T) {
			r := newRouter(t, snapshotOf(t, ruleset.Dump{Kind: ruleset.IPTables, Backend: backend, Text: []byte(routerRules)}), "eth0", "lan0")
			a := Arrangement{
				Local:  []netip.Addr{netip.MustParseAddr("203.0.113.1")},
				Routes: map[netip.Prefix]string{netip.MustParsePrefix("0.0.0.0/0"): "eth0", netip.MustParsePrefix("172.16.100.0/24"): "lan0"},
			}
			if err := r.Arrange(a); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for _, c := range []struct{ packet, want, end string }{
				{"tcp 198.51.100.9:40000 > 203.0.113.1:22 in eth0", "accepted, delivered", "198.51.100.9:40000 203.0.113.1:22 0"},
				{"tcp 198.51.100.9:40000 > 203.0.113.1:23 in eth0", "rejected with tcp-reset", ""},
				{"tcp 198.51.100.9:40000 > 203.0.113.1:25 in eth0", "dropped", ""},
				{"udp 198.51.100.9:40000 > 203.0.113.1:25 in eth0", "rejected with icmp-port-unreachable", ""},
				{"tcp 198.51.100.9:40001 > 203.0.113.1:8800 in eth0", "accepted, left by lan0", "198.51.100.9:40001 172.16.100.5:80 0"},
				{"tcp 198.51.100.9:40001 > 172.16.100.5:81 in eth0", "dropped", ""},
				{"tcp 198.51.100.9:40002 > 203.0.113.1:8801 in eth0", "rejected with tcp-reset", ""},
				{"tcp 198.51.100.9:40003 > 203.0.113.1:8801 in eth0 flags ack", "rejected with tcp-reset", ""},
				{"udp 172.16.100.7:5000 > 198.51.100.9:53 in lan0", "accepted, left by eth0", r.Address("eth0", false).String() + ":5000 198.51.100.9:53 7"},
				{"icmp 198.51.100.9 > 172.16.100.7 in eth0", "dropped", ""},
				{"icmp 198.51.100.9 > 172.16.100.7 in eth0 mark 0x9", "accepted, left by lan0", "198.51.100.9:0 172.16.100.7:0 9"},
				{"udp 203.0.113.1:5000 > 198.51.100.9:53", "dropped", ""},
				{"udp 203.0.113.1:5000 > 172.16.100.9:54 mark 0x3", "accepted, left by lan0", "203.0.113.1:5000 172.16.100.9:54 3"},
				{"sctp 203.0.113.1:5000 > 172.16.100.9:54", "accepted, left by lan0", "203.0.113.1:5000 172.16.100.9:54 0"},
			} {
				p, err := ParsePacket(c.packet)
				if err != nil {
					t.Fatal(err)
				}
				o, err := r.Send(context.Background(), p)
				if err != nil {
					t.Fatal(err)
				}
				end := ""
				if o.End != nil {
					end = o.End.Source().String() + " " + o.End.Destination().String() + " " + itoa(o.End.Mark)
				}
				if o.String() != c.want || end != c.end {
					t.Errorf("%s: %s (%s), want %s (%s)\nseen %+v", c.packet, o, end, c.want, c.end, o.Seen)
				}
				if err := r.ForgetConnections(); err != nil {
					t.Fatal(err)
				}
			}
			t.Log(time.Since(start))
		})
	}
}

func itoa(n uint32) string { return string(rune('0' + n)) }

// TestPacketText reads each packet's text back.
func TestPacketText(t *testing.T) {
	for _, s := range []string{
		"tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0",
		"icmp 192.0.2.1 > 192.0.2.2 type 8/0 in eth0 ttl 1",
		"icmpv6 2001:db8::1 > 2001:db8::2 type 1/4",
		"udp [2001:db8::1]:53 > [2001:db8::2]:40000 mark 0x1",
		"tcp 192.0.2.1:40000 > 192.0.2.2:22 in eth0 flags SYN,ACK tos 0x10 length 1500 mac 02:00:00:00:00:09 multicast badsum payload 0x00ff",
		"47 192.0.2.1 > 192.0.2.2",
	} {
		p, err := ParsePacket(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		} else if got := p.String(); got != s && s[:2] != "47" {
			t.Errorf("%s: printed as %s", s, got)
		}
	}
	for _, s := range []string{"", "tcp", "tcp 1.2.3.4 1.2.3.5", "foo 1.2.3.4 > 1.2.3.5", "tcp 1.2.3.4 > ::1", "tcp 1.2.3.4:x > 1.2.3.5",
		"tcp 1.2.3.4 > 1.2.3.5 ttl", "tcp 1.2.3.4 > 1.2.3.5 ttl 256", "tcp 1.2.3.4 > 1.2.3.5 flags ABC", "tcp 1.2.3.4 > 1.2.3.5 by eth0"} {
		if p, err := ParsePacket(s); err == nil {
			t.Errorf("%q is read as %s", s, p)
		}
	}
}

// TestCall makes a router in a stage, as an ordinary user's are.
func TestCall(t *testing.T) {
	o, err := Call[[]string, string](context.Background(), "lab-test", []string{"eth0", "tcp 198.51.100.9 > 203.0.113.1 in eth0"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "accepted, left by eth0"; o != want {
		t.Errorf("%s, want %s", o, want)
	}
}

func init() {
	Register("lab-test", func(ctx context.Context, in []string) (string, error) {
		r, err := NewRouter(ctx, nil, in[0])
		if err != nil {
			return "", err
		}
		defer r.Close()
		if err := r.Arrange(Arrangement{Routes: map[netip.Prefix]string{netip.MustParsePrefix("0.0.0.0/0"): in[0]}}); err != nil {
			return "", err
		}
		p, err := ParsePacket(in[1])
		if err != nil {
			return "", err
		}
		o, err := r.Send(ctx, p)
		return o.String(), err
	})
}
