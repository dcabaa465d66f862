package packets_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// TestCases holds single packets to the kernel of both backends, through rules
// that random ones hardly ever are. Each packet is new or, behind the word
// "about", an ICMP error about a connection of UDP; behind "holds" is the only
// unknown that does.
func TestCases(t *testing.T) {
	const through, to, from = "udp 172.16.0.1:4 > 10.0.0.1:6 in eth0", "udp 172.16.0.1:4 > 192.0.2.1:6 in eth0", "udp 192.0.2.1:4 > 10.0.0.1:6"
	for _, c := range []struct{ name, rules, sends string }{
		{"no hardware address", "create s bitmap:ip,mac range 192.0.2.0/24\nadd s 192.0.2.1\nfilter -A OUTPUT -m set --match-set s src,src -j DROP", from},
		{"another hardware address", "filter -A FORWARD -m mac ! --mac-source 02:00:00:00:00:42 -j DROP", through},
		{"lo has none", "filter -A INPUT -m mac ! --mac-source 02:00:00:00:00:42 -j DROP", "udp 192.0.2.1:4 > 192.0.2.2:6 in lo"},
		{"a template, then no tracking", "raw -A PREROUTING -j CT --ctevents new\nraw -A PREROUTING -j CT --notrack\nfilter -A FORWARD -m conntrack --ctstate UNTRACKED -j DROP", through},
		{"no tracking, then a template", "raw -A PREROUTING -j CT --notrack\nraw -A PREROUTING -j CT --ctevents new\nfilter -A FORWARD -m conntrack --ctstate UNTRACKED -j DROP", through},
		{"a template is a new connection", "raw -A PREROUTING -p udp -m conntrack --ctstate NEW -j DROP\nraw -A PREROUTING -s 172.16.0.1/32 -j CT --ctevents new\n" +
			"raw -A PREROUTING -p udp -m conntrack --ctstate NEW --ctdir ORIGINAL -j MARK --set-xmark 0x1/0x1\nraw -A PREROUTING -m connmark --mark 0x0 -j MARK --set-xmark 0x2/0x2\n" +
			"raw -A PREROUTING -m conntrack --ctstate INVALID -j DROP", through + "\ntcp 172.16.0.1:4 > 10.0.0.1:6 in eth0\nudp 172.16.0.2:4 > 10.0.0.1:6 in eth0"},
		{"all else of a template is zero", "raw -A PREROUTING -j CT --zone 1\nraw -A PREROUTING -m conntrack --ctproto 17 -j DROP\nraw -A PREROUTING -m conntrack --ctorigsrc 172.16.0.0/12 -j DROP\n" +
			"raw -A PREROUTING -m conntrack ! --ctreplsrc 0.0.0.0/8 -j DROP\nraw -A PREROUTING -m conntrack --ctstatus CONFIRMED -j MARK --set-xmark 0x1/0x1\n" +
			"raw -A PREROUTING -m conntrack ! --ctstatus CONFIRMED,EXPECTED -j DROP\nraw -A PREROUTING -m conntrack --ctorigsrcport 0:3 -j MARK --set-xmark 0x2/0x2\n" +
			"raw -A PREROUTING -m helper ! --helper ftp -j MARK --set-xmark 0x4/0x4\nraw -A PREROUTING -m connlabel ! --label 2 -j MARK --set-xmark 0x8/0x8\n" +
			"raw -A PREROUTING -m connbytes ! --connbytes 9:100 --connbytes-mode bytes --connbytes-dir both -j DROP", through},
		{"a template has no mark to restore", "raw -A PREROUTING -j MARK --set-xmark 0xff/0xffffffff\nraw -A PREROUTING -s 172.16.0.1/32 -j CT --ctevents new\nraw -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xff",
			through + "\nudp 172.16.0.2:4 > 10.0.0.1:6 in eth0"},
		{"a template's mark is no connection's", "raw -A PREROUTING -j CT --ctevents new\nraw -A PREROUTING -j CONNMARK --set-xmark 0x5/0xffffffff\nfilter -A FORWARD -m connmark --mark 0x5 -j DROP", through},
		{"a time to live counted", "mangle -A PREROUTING -j TTL --ttl-dec 4\nmangle -A FORWARD -m ttl --ttl-eq 59 -j TTL --ttl-inc 200\nfilter -A FORWARD -m ttl ! --ttl-eq 255 -j DROP\n" +
			"mangle -A POSTROUTING -m ttl --ttl-gt 254 -j MARK --set-xmark 0x1/0x1\nmangle -A POSTROUTING -j TTL --ttl-dec 255\nmangle -A POSTROUTING -m ttl --ttl-lt 1 -j MARK --set-xmark 0x2/0x2\n" +
			"mangle -A POSTROUTING -m ttl --ttl-eq 0 -j TTL --ttl-set 255", through},
		{"a time to live that is over", "mangle -A PREROUTING -p udp -j TTL --ttl-set 1\nmangle -A PREROUTING -p tcp -j TTL --ttl-dec 63\nmangle -A PREROUTING -p icmp -j TTL --ttl-dec 62",
			through + "\ntcp 172.16.0.1:4 > 10.0.0.1:6 in eth0\nicmp 172.16.0.1 > 10.0.0.1 type 8/0 in eth0\nudp 172.16.0.1:4 > 192.0.2.1:6 in eth0"},
		{"all times to live over", "mangle -A PREROUTING -j TTL --ttl-set 1", through + "\n" + to},
		{"a connection's protocol", "filter -A FORWARD -m conntrack --ctproto 17 -j DROP", through + "\nicmp 172.16.0.1 > 10.0.0.1 type 3/1 in eth0 about holds -m conntrack --ctproto 17"},
		{"where answers come from", "mangle -A PREROUTING -m conntrack --ctreplsrc 10.0.0.9 -j MARK --set-xmark 0x1/0xffffffff\nnat -A PREROUTING -p udp -j DNAT --to-destination 10.0.0.9\n" +
			"filter -A FORWARD -m conntrack --ctreplsrc 10.0.0.9 -m mark --mark 0x0 -j DROP", through + " holds -m conntrack --ctreplsrc 10.0.0.9, after DNAT --to-destination 10.0.0.9"},
		{"a mapped network", "nat -A PREROUTING -d 10.3.0.0/16 -j NETMAP --to 10.4.0.0/16\nfilter -A FORWARD -d 10.4.7.1/32 -j DROP", "udp 172.16.0.1:4 > 10.3.7.1:6 in eth0\nudp 172.16.0.1:4 > 10.3.7.2:6 in eth0"},
		{"a redirect on the way out", "nat -A OUTPUT -p udp -j REDIRECT --to-ports 99\nfilter -A OUTPUT -d 127.0.0.1/32 -j DROP", from},
		{"goto at depth", "filter -N a\nfilter -N b\nfilter -N c\nfilter -N d\nfilter -N e\nfilter -A FORWARD -g a\nfilter -A FORWARD -j ACCEPT\nfilter -A a -j b\nfilter -A a -j DROP\nfilter -A b -g c\n" +
			"filter -A b -j REJECT --reject-with icmp-port-unreachable\nfilter -A c -j d\nfilter -A c -p udp -j RETURN\nfilter -A c -j ACCEPT\nfilter -A d -p udp -g e\nfilter -A e -j RETURN", through + "\ntcp 172.16.0.1:4 > 10.0.0.1:6 in eth0"},
		{"any type of ICMP", "filter -A FORWARD -p icmp -m icmp --icmp-type 255/3 -j DROP\nfilter -A FORWARD -p icmp -m icmp ! --icmp-type any -j ACCEPT", "icmp 172.16.0.1 > 10.0.0.1 type 8/0 in eth0"},
		{"a mark turned outside its mask", "mangle -A PREROUTING -j MARK --set-xmark 0xff/0xf\nfilter -A FORWARD -m mark --mark 0xff -j DROP", through + " mark 0xf0\n" + through},
		{"a list of nets and ports", "create a hash:net\nadd a 10.0.0.0/8\nadd a 10.0.0.0/24 nomatch\ncreate b hash:ip,port\nadd b 10.0.0.1,udp:2\ncreate l list:set\nadd l a\nadd l b\n" +
			"filter -A FORWARD -m set --match-set l dst,dst --return-nomatch -j DROP", through + "\nudp 172.16.0.1:4 > 10.0.0.1:2 in eth0\nudp 172.16.0.1:4 > 10.0.1.1:2 in eth0"},
		{"a translation to where it goes", "nat -A PREROUTING -p udp -j DNAT --to-destination 10.0.0.1\nfilter -A FORWARD -m conntrack --ctstate DNAT -j DROP", through + "\nudp 172.16.0.1:4 > 10.0.0.2:6 in eth0"},
		{"sources behind INPUT", "nat -A INPUT -p udp -j SNAT --to-source 10.9.9.9\nfilter -A INPUT -s 10.9.9.9/32 -j DROP", to},
		{"a mapped source", "nat -A INPUT -p udp -j NETMAP --to 10.9.9.0/24\nnat -A INPUT -p tcp -j NETMAP --to 10.8.8.8/32\nsecurity -A INPUT -s 10.9.9.0/24 -j DROP\nsecurity -A INPUT -s 10.8.8.8/32 -j DROP",
			to + "\ntcp 172.16.0.1:4 > 192.0.2.1:6 in eth0\nicmp 172.16.0.1 > 192.0.2.1 type 8/0 in eth0"},
		{"before tracking", "raw -A PREROUTING -m connmark --mark 0x0 -j DROP\nraw -A PREROUTING -m conntrack ! --ctstate INVALID -j DROP", through},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
				if err := sendCase(t, backend, c.rules, c.sends); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// ruled is a snapshot of rules that stand each behind its table.
func ruled(backend ruleset.Backend, rules string) (*ruleset.Snapshot, error) {
	text, sets := "", ""
	for _, table := range []struct{ name, chains string }{{"raw", "PREROUTING OUTPUT"}, {"mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"},
		{"nat", "PREROUTING INPUT OUTPUT POSTROUTING"}, {"filter", "INPUT FORWARD OUTPUT"}, {"security", "INPUT FORWARD OUTPUT"}} {
		text += "*" + table.name + "\n"
		for _, chain := range strings.Fields(table.chains) {
			text += ":" + chain + " ACCEPT [0:0]\n"
		}
		body := ""
		for line := range strings.SplitSeq(rules, "\n") {
			rule, ok := strings.CutPrefix(line, table.name+" ")
			if name, isChain := strings.CutPrefix(rule, "-N "); ok && isChain {
				text += ":" + name + " - [0:0]\n"
			} else if ok {
				body += rule + "\n"
			}
		}
		text += body + "COMMIT\n"
	}
	for line := range strings.SplitSeq(rules, "\n") {
		if strings.HasPrefix(line, "create ") || strings.HasPrefix(line, "add ") {
			sets += line + "\n"
		}
	}
	return dump.Snapshot([]ruleset.Dump{{Kind: ruleset.IPTables, Backend: backend, Text: []byte(text)}, {Kind: ruleset.IPSet, Text: []byte(sets)}})
}

func sendCase(t *testing.T, backend ruleset.Backend, rules, sends string) error {
	snap, err := ruled(backend, rules)
	if err != nil {
		return err
	}
	space, err := packets.New(snap, ruleset.IPv4)
	if err != nil {
		return err
	}
	return netns.Do(func() error {
		ctx := context.Background()
		r, err := lab.NewRouter(ctx, snap, "eth0", "eth1")
		if err != nil {
			return err
		}
		defer r.Close()
		err = r.Arrange(lab.Arrangement{Local: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
			Routes: map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/8"): "eth1", netip.MustParsePrefix("172.16.0.0/12"): "eth0"}})
		if err != nil {
			return err
		}
		for i, line := range strings.Split(sends, "\n") {
			if err := sendOne(ctx, t, r, space, uint16(i+1), line); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
		}
		return nil
	})
}

func sendOne(ctx context.Context, t *testing.T, r *lab.Router, space *packets.Space, id uint16, line string) error {
	text, holds, _ := strings.Cut(line, " holds ")
	text, about := strings.CutSuffix(text, " about")
	p, err := lab.ParsePacket(text)
	if err != nil {
		return err
	}
	p.ID = id
	if err := r.ForgetConnections(); err != nil {
		return err
	}
	q := packets.Packet{Src: p.Src, Dst: p.Dst, Proto: p.Proto, SPort: p.SPort, DPort: p.DPort, ICMPType: p.ICMPType, ICMPCode: p.ICMPCode, Flags: p.Flags,
		In: p.In, Out: "eth1", TTL: 64, Mark: p.Mark, Length: 60, Holds: map[string]bool{holds: true}}
	if p.In != "lo" {
		q.MAC = [6]byte{2, 0, 0, 0, 0, 1}
	}
	if about {
		inner := lab.Packet{Src: p.Dst, Dst: netip.MustParseAddr("203.0.113.9"), Proto: lab.UDP, SPort: 5353, DPort: 5353, ID: id}
		p.Inner, q.State, q.Reply = &inner, packets.StateRelated, true
		if err := r.Connect(&lab.Connection{First: inner, Replied: true}); err != nil {
			return err
		}
	}
	j := packets.Forward
	switch {
	case p.In == "":
		j, q.MAC, q.Local = packets.Output, [6]byte{}, netip.MustParseAddr("127.0.0.1")
	case strings.HasPrefix(p.Dst.String(), "192."):
		j, q.Out = packets.Input, ""
	}
	w := space.Follow(j, q)
	o, err := r.Send(ctx, p)
	if err != nil {
		return err
	}
	ok := o.Verdict == lab.Dropped
	switch w.Outcome.Verdict {
	case packets.Reject:
		ok = o.Verdict == lab.Rejected && o.With == w.Outcome.With
	case packets.Accept:
		ok = o.Verdict == lab.Accepted && o.End.Mark == w.Final.Mark && o.End.Destination().Addr() == w.Final.Dst && o.End.Source().Addr() == w.Final.Src
	}
	if !ok {
		t.Errorf("%s: foretold %s (%+v), and the kernel: %s %+v\nasked %v", line, w.Outcome, w.Final, o, o.End, w.Asked)
	}
	return nil
}
