package lab

import (
	"bytes"
	"testing"
)

// FuzzParsePacket reads packets and what they print as.
func FuzzParsePacket(f *testing.F) {
	for _, s := range []string{"tcp 203.0.113.9:40000 > 172.16.200.1:8800 in eth0 flags SYN,ACK", "icmp 192.0.2.1 → 192.0.2.2 type 3/1 ttl 1",
		"udp [2001:db8::1]:53 > [2001:db8::2]:1 mark 0x1 mac 02:00:00:00:00:09 payload 0x00ff length 200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePacket(text)
		if err != nil {
			return
		}
		again, err := ParsePacket(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q is read as %q, and that as %q, %v", text, p, again, err)
		}
		frame, err := Frame(&p)
		if err != nil {
			return
		}
		if p.Length != 0 && len(frame) != int(p.Length) {
			t.Fatalf("%q: %d bytes", p, len(frame))
		}
		if s, ok := ParseFrame(frame); !ok || s.Src != p.Src || s.Dst != p.Dst || s.Proto != p.Proto && p.Proto != 0 {
			t.Fatalf("%q: the frame is read as %+v", p, s)
		}
	})
}

// FuzzParseFrame reads frames of any bytes.
func FuzzParseFrame(f *testing.F) {
	for _, text := range []string{"tcp 203.0.113.9:40000 > 172.16.200.1:8800", "icmpv6 2001:db8::1 > 2001:db8::2 type 1/4", "sctp 192.0.2.1 > 192.0.2.2"} {
		p, err := ParsePacket(text)
		if err != nil {
			f.Fatal(err)
		}
		if p.Proto == ICMPv6 {
			inner, _ := ParsePacket("udp [2001:db8::2]:1 > [2001:db8::3]:2")
			p.Inner = &inner
		}
		b, err := Frame(&p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		s, _ := ParseFrame(b)
		p := Packet{Proto: s.Proto, Inner: &Packet{}}
		s.Is(&p)
		s.Refusal(&p)
		if !bytes.Equal(b, before) {
			t.Fatal("the bytes were changed")
		}
	})
}
