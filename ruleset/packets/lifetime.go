package packets

import "fmt"

// lifetime is a change of the time to live: counted up or down, within bounds.
// One that is set has one value between them.
type lifetime struct {
	add, low, high int16
	// behind says that forwarding has counted one hop before.
	behind bool
}

var sameLifetime = lifetime{high: 511}

func lifetimeOf(n uint8) lifetime { return lifetime{low: int16(n), high: int16(n)} }

// at is the change as one of the time to live that the packet came in with,
// which is a hop more where forwarding has counted it already.
func (l lifetime) at(hops uint8) lifetime {
	h := int16(hops)
	return lifetime{l.add, l.low + h, l.high + h, h > 0 && !l.fixed()}
}

// then is the change that l and after it m make.
func (l lifetime) then(m lifetime) lifetime {
	switch {
	case m == sameLifetime:
		return l
	case l == sameLifetime:
		return m
	}
	out := lifetime{l.add + m.add, m.bounded(l.low + m.add), m.bounded(l.high + m.add), l.behind}
	if out.fixed() {
		out.add, out.behind = 0, false
	}
	return out
}

func (l lifetime) bounded(n int16) int16 { return max(l.low, min(n, l.high)) }

// fixed says that the change leaves one value whatever was before.
func (l lifetime) fixed() bool { return l.low == l.high }

// of is what becomes of a time to live. One of 255 behind a hop is 0, for none
// comes in with 256, and nothing that has 0 then is forwarded.
func (l lifetime) of(ttl uint8) uint8 {
	n := int16(ttl)
	if l.behind && n == 0 {
		n = 256
	}
	return uint8(l.bounded(n + l.add))
}

// describe says what the change does, some hops later; "" for nothing.
func (l lifetime) describe(hops int) string {
	if l == sameLifetime {
		return ""
	}
	if l.fixed() {
		return fmt.Sprintf("ttl %d", int(l.low)-hops)
	}
	s := fmt.Sprintf("ttl %+d", l.add)
	if low := int(l.low) - hops; low > 0 {
		s += fmt.Sprintf(", at least %d", low)
	}
	if high := int(l.high) - hops; high < 254 {
		s += fmt.Sprintf(", at most %d", high)
	}
	return s
}

// over says that a packet's time to live is over: it is not forwarded
// (ip_forward of ip_forward.c, ip6_forward of ip6_output.c).
var over = &condition{op: inSet, field: fieldTTL, set: spans{{high: number(1)}}}
