package prove

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// truth is what a match that packet space does not look into says of the
// packet as it will be sent.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// unknowns makes the matches that packet space does not look into say what the
// example has them say. Where they say something else, but it makes no
// difference to either side, that is as good.
func (p *plan) unknowns() string {
	p.addresses()
	for range 50 {
		a, want := p.open()
		if a == nil {
			p.addresses()
			return p.worn()
		}
		if !p.try(func(q *packets.Packet) { q.Holds[a.String()] = !want }) {
			if want {
				return "it depends on " + a.Text
			}
			return "it depends on this not holding: " + a.Text
		}
		p.addresses()
	}
	return "it depends on too many matches"
}

// worn says why a limit cannot be made to be reached: what is sent before wears
// out another one, which must not be.
func (p *plan) worn() string {
	for side, w := range p.ways {
		for i := range w.Asked {
			if a := &w.Asked[i]; p.warm[side] > 0 && a.Scope != "" && p.packet.Holds[a.String()] {
				return "it depends on one limit that is reached and another that is not: " + a.Text
			}
		}
	}
	return ""
}

// open is an unknown that would not be as the packet has it, and does count.
func (p *plan) open() (*packets.Atom, bool) {
	for side, w := range p.ways {
		for i := range w.Asked {
			a := &w.Asked[i]
			want := p.packet.Holds[a.String()]
			got := p.truth(a, side)
			if got == truthOf(want) {
				continue
			}
			if got == yes && !want && p.exhaust(a, side) {
				continue
			}
			if got == no && want && p.comply(a, side) {
				return p.open() // another may hold by that, too
			}
			if got == unknown && p.try(func(q *packets.Packet) { q.Holds[a.String()] = !want }) {
				// Either way: take it back, it does not count.
				p.try(func(q *packets.Packet) { q.Holds[a.String()] = want })
				continue
			}
			return a, want
		}
	}
	return nil, false
}

// words splits an unknown's text into its module and options.
func words(a *packets.Atom) (module string, options []string, behind bool) {
	text, _, behind := strings.Cut(a.Text, ", after ")
	f := fieldsOf(text)
	if len(f) < 2 || f[0] != "-m" {
		return "", nil, behind
	}
	return f[1], f[2:], behind
}

// fieldsOf splits a rule's text as iptables-restore does: what stands in double
// quotes is one word, in which a backslash takes the next character as it is.
func fieldsOf(text string) (out []string) {
	var word strings.Builder
	quoted, any := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted, any = !quoted, true
		case c == '\\' && quoted && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case c == ' ' && !quoted:
			if any {
				out = append(out, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteByte(c)
			any = true
		}
	}
	if any {
		out = append(out, word.String())
	}
	return out
}

// option returns an option's value.
func option(options []string, name string) (string, bool) {
	i := slices.Index(options, name)
	if i < 0 {
		return "", false
	}
	if i+1 < len(options) && !strings.HasPrefix(options[i+1], "--") {
		return options[i+1], true
	}
	return "", true
}

func (p *plan) truth(a *packets.Atom, side int) truth {
	module, options, behind := words(a)
	if strings.HasPrefix(a.Text, "a socket listens for ") {
		return no
	}
	if slices.Contains(options, "!") {
		return unknown
	}
	switch module {
	case "limit", "hashlimit":
		_, above := option(options, "--hashlimit-above")
		return truthOf(!above)
	case "quota":
		v, _ := option(options, "--quota")
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil || n < 65536 {
			return unknown
		}
		return yes
	case "connlimit":
		if v, ok := option(options, "--connlimit-above"); ok {
			return truthOf(v == "0")
		}
		v, ok := option(options, "--connlimit-upto")
		return truthOf(ok && v != "0")
	case "recent":
		if slices.Contains(options, "--set") {
			return yes
		}
		return no
	case "addrtype":
		return p.addressType(options, behind, side)
	case "owner":
		return p.owner(options)
	case "string":
		return p.contains(options)
	case "physdev", "helper", "tcpmss", "realm", "ah", "esp", "frag", "hbh", "dst", "rt", "mh", "ipvs":
		if len(options) > 0 && module != "realm" {
			return no
		}
	case "tcp":
		if _, ok := option(options, "--tcp-option"); ok {
			return no
		}
	case "policy":
		v, _ := option(options, "--pol")
		return truthOf(v == "none")
	case "socket":
		return no
	case "nfacct":
		return yes
	case "set":
		return p.filledSet(options, side)
	}
	return unknown
}

// filledSet is of a set that is filled at run time: in a fresh router nobody has
// done so but the packet itself.
func (p *plan) filledSet(options []string, side int) truth {
	if slices.Contains(options, "(counters)") {
		return unknown
	}
	for _, s := range p.ways[side].Steps {
		if strings.Contains(s.Text, "-j SET ") {
			return unknown
		}
	}
	return no
}

// owner is of the packets that the router itself sends: by root of the stage, or whom comply takes.
func (p *plan) owner(options []string) truth {
	if p.region.Journey != packets.Output {
		return no
	}
	for _, name := range []string{"--uid-owner", "--gid-owner"} {
		if v, ok := option(options, name); ok {
			low, high, both := strings.Cut(v, "-")
			if !both {
				high = low
			}
			from, err := strconv.ParseUint(low, 10, 32)
			to, err2 := strconv.ParseUint(high, 10, 32)
			if err != nil || err2 != nil {
				return unknown
			}
			is := uint64(p.send.UID)
			if name == "--gid-owner" {
				is = uint64(p.send.GID)
			}
			return truthOf(from <= is && is <= to)
		}
	}
	if slices.Contains(options, "--socket-exists") {
		return yes
	}
	return unknown
}

// contains looks for a string in the bytes that are sent.
func (p *plan) contains(options []string) truth {
	want, ok := option(options, "--string")
	from, _ := option(options, "--from")
	if !ok || from != "" && from != "0" {
		return unknown
	}
	b, err := lab.Frame(&p.send)
	if err != nil {
		return unknown
	}
	if slices.Contains(options, "--icase") {
		return unknown
	}
	found := bytes.Contains(b, []byte(want))
	if to, ok := option(options, "--to"); ok && found {
		if n, err := strconv.Atoi(to); err != nil || n < len(b) {
			return unknown
		}
	}
	return truthOf(found)
}

// comply makes a match hold: a string is put into the payload, and a packet is
// sent by the user that it asks for.
func (p *plan) comply(a *packets.Atom, side int) bool {
	module, options, _ := words(a)
	before := p.send
	switch module {
	case "string":
		want, _ := option(options, "--string")
		p.send.Payload = append(slices.Clone(p.send.Payload), want...)
		if _, err := lab.Frame(&p.send); err != nil {
			p.send.Length = 0
			b, err := lab.Frame(&p.send)
			if err != nil || !p.try(func(q *packets.Packet) { q.Length = uint16(len(b)) }) {
				p.send = before
				return false
			}
			p.send.Length = uint16(len(b))
		}
	case "owner":
		for name, to := range map[string]*uint32{"--uid-owner": &p.send.UID, "--gid-owner": &p.send.GID} {
			v, _ := option(options, name)
			low, _, _ := strings.Cut(v, "-")
			if n, err := strconv.ParseUint(low, 10, 32); err == nil {
				*to = uint32(n)
			}
		}
	}
	if p.truth(a, side) != yes {
		p.send = before
		return false
	}
	return true
}

// exhaust makes a limit be reached, by sending the packet as often before.
func (p *plan) exhaust(a *packets.Atom, side int) bool {
	module, options, _ := words(a)
	rate, ok := option(options, "--limit")
	if module != "limit" || !ok {
		return false
	}
	n, unit, _ := strings.Cut(rate, "/")
	per, err := strconv.Atoi(n)
	// Less than about twenty a second: it must not recover meanwhile.
	if err != nil || strings.HasPrefix(unit, "s") && per > 20 || strings.HasPrefix(unit, "m") && per > 1200 {
		return false
	}
	p.warm[side] = max(p.warm[side], burst(options))
	return true
}

// burst is how many packets a limit lets through at once: 5 if it says nothing
// (iptables-extensions(8)).
func burst(options []string) int {
	for _, name := range []string{"--limit-burst", "--hashlimit-burst"} {
		if v, ok := option(options, name); ok {
			if n, err := strconv.Atoi(v); err == nil {
				return n
			}
		}
	}
	return 5
}

// refresh asks for a new router where former packets used up what a match
// counts, or left members in a set.
func refresh(plans []*plan, jobs []job) {
	var used [2]map[string]int
	var soiled [2]bool
	clear := func(side int) { used[side], soiled[side] = map[string]int{}, false }
	clear(0)
	clear(1)
	for _, p := range plans {
		if p.reason != "" {
			continue
		}
		for side, w := range p.ways {
			fresh := soiled[side]
			var counts []string
			for i := range w.Asked {
				a := &w.Asked[i]
				if a.Scope == "" {
					continue
				}
				_, options, _ := words(a)
				counts = append(counts, a.String())
				fresh = fresh || p.warm[side] > 0 || used[side][a.String()] >= burst(options)
			}
			if fresh {
				jobs[p.job].Fresh[side] = true
				clear(side)
			}
			for _, key := range counts {
				used[side][key] += 1 + 2*p.warm[side]
			}
			for _, s := range w.Steps {
				soiled[side] = soiled[side] || strings.Contains(s.Text, "-j SET ") || strings.Contains(s.Text, "-m recent ")
			}
		}
	}
}

// addresses decides which addresses are the router's own: those that the
// journey needs, and those that a match wants there.
func (p *plan) addresses() {
	p.local, p.wide = map[netip.Addr]bool{}, map[netip.Addr]bool{}
	q := &p.packet
	add := func(a netip.Addr) {
		if a.IsValid() && !a.IsMulticast() && !a.IsLoopback() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			p.local[a] = true
		}
	}
	switch p.region.Journey {
	case packets.Input:
		for _, a := range p.destinations() {
			add(a)
		}
	case packets.Output:
		if q.Src != q.Dst {
			add(q.Src)
		}
		if q.Out == "lo" {
			for _, a := range p.destinations() {
				add(a)
			}
		}
	}
	for side, w := range p.ways {
		for i := range w.Asked {
			a := &w.Asked[i]
			module, options, behind := words(a)
			if module != "addrtype" || slices.Contains(options, "!") {
				continue
			}
			want := q.Holds[a.String()]
			addr, types := p.typed(options, behind, side)
			for kind := range strings.SplitSeq(types, ",") {
				switch {
				case kind == "LOCAL" && want:
					if p.region.Journey == packets.Input || !slices.Contains(p.destinations(), addr) {
						add(addr)
					}
				case kind == "LOCAL" && !p.needed(addr):
					delete(p.local, addr)
				case kind == "BROADCAST" && want && p.region.Journey == packets.Input && addr == q.Dst && addr.Is4():
					p.wide[addr] = true
					delete(p.local, addr)
				}
			}
		}
	}
}

// needed says whether an address must be the router's for the journey.
func (p *plan) needed(a netip.Addr) bool {
	return p.region.Journey == packets.Input && (a == p.ways[0].Final.Dst || a == p.ways[1].Final.Dst)
}

// typed is the address that an addrtype is about, and the types.
func (p *plan) typed(options []string, behind bool, side int) (netip.Addr, string) {
	if v, ok := option(options, "--src-type"); ok {
		return p.packet.Src, v
	}
	v, _ := option(options, "--dst-type")
	if behind {
		return p.ways[side].Final.Dst, v
	}
	return p.packet.Dst, v
}

// addressType is what routing says of an address (xt_addrtype.c).
func (p *plan) addressType(options []string, behind bool, side int) truth {
	if slices.ContainsFunc(options, func(s string) bool { return strings.HasPrefix(s, "--limit-iface") }) {
		return unknown
	}
	addr, types := p.typed(options, behind, side)
	kind := "UNICAST"
	switch {
	case p.wide[addr], addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), addr.Is4() && addr.As4()[0] == 0:
		kind = "BROADCAST"
	case addr.IsMulticast():
		kind = "MULTICAST"
	case p.local[addr], addr.IsLoopback():
		kind = "LOCAL"
	}
	list := strings.Split(types, ",")
	if addr.Is6() && kind == "LOCAL" && slices.Contains(list, "UNICAST") {
		return truthOf(!slices.Contains(list, "ANYCAST"))
	}
	return truthOf(slices.Contains(list, kind))
}
