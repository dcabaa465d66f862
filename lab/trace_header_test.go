package lab

import "testing"

// FuzzReadHeader reads any bytes as a packet that is cut anywhere: what is told
// of one reads as a packet.
func FuzzReadHeader(f *testing.F) {
	for _, text := range []string{"tcp 192.0.2.1:1 > 192.0.2.2:2 flags SYN,ACK", "udp [2001:db8::1]:1 > [2001:db8::2]:2", "icmp 192.0.2.1 > 192.0.2.2 type 3/1",
		"icmpv6 2001:db8::1 > 2001:db8::2 type 129", "sctp 192.0.2.1:1 > 192.0.2.2:2", "47 192.0.2.1 > 192.0.2.2"} {
		p, err := ParsePacket(text)
		if err != nil {
			f.Fatal(err)
		}
		b, err := Frame(&p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:21])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h := readHeader(b)
		if h == nil {
			return
		}
		_ = h.identity()
		if h.fragment || h.Src.Is4In6() || h.Dst.Is4In6() {
			return
		}
		p, err := ParsePacket(h.words())
		if err != nil {
			t.Fatalf("%x: %s: %v", b, h.words(), err)
		}
		if p.Src != h.Src || p.Dst != h.Dst || p.SPort != h.SPort || p.DPort != h.DPort {
			t.Errorf("%x: %s is read as %s", b, h.words(), p)
		}
	})
}
