package packets

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDiffAgreesWithTrace holds the diagrams to the rule by rule walk: two
// random rulesets, random packets, and a packet is in a region if and only if
// the two walks end differently. FWC_PROVE=N makes it N/50 pairs.
func TestDiffAgreesWithTrace(t *testing.T) {
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	rounds := 60
	if s := os.Getenv("FWC_PROVE"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n / 50
	}
	differing := 0
	for i := range rounds {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		g := newGenerator(r, i%2 == 1)
		g.atoms, g.anySets, g.changing = i%3 == 0, true, i%5 > 2
		var sets string
		if i%4 != 0 {
			sets = g.makeSets()
		}
		differing += checkRound(t, g, sets, fmt.Sprintf("seed %d round %d", seed, i))
		if t.Failed() {
			return
		}
	}
	if differing < 50 {
		t.Errorf("only %d of the packets told two rulesets apart: the test shows little", differing)
	}
}

func checkRound(t *testing.T, g *generator, sets, name string) int {
	family, kind := g.family()
	tables := g.ruleset(5)
	changed := g.mutate(tables)
	texts := func(tables [][]string) []string {
		list := []string{dumpText(tables)}
		if sets != "" {
			list = append(list, sets)
		}
		return list
	}
	old, new := snapshot(t, kind, texts(tables)...), snapshot(t, kind, texts(changed)...)
	report, err := Diff(context.Background(), old, new, Options{MaxRegions: 10000, MaxBoxes: 10000})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	x, y, err := Pair(old, new, family)
	if err != nil {
		t.Fatal(err)
	}
	differing := 0
	for k := range 300 {
		p := g.packet()
		if len(report.Regions) > 0 && k%3 == 0 {
			p = g.near(pick(g, report.Regions...).Example)
		}
		g.flow(&p)
		for _, a := range x.Atoms() {
			p.Holds[a.String()] = g.chance(50)
		}
		for _, a := range y.Atoms() {
			if _, ok := p.Holds[a.String()]; !ok {
				p.Holds[a.String()] = g.chance(50)
			}
		}
		for _, j := range Journeys {
			q := p
			if j == Input {
				q.Out = ""
			} else if j == Output {
				q.In, q.Type, q.Local = "", 0, loopback(g.v6).address(g.v6)
			}
			if !isPossible(x.program.universe, j, &q) {
				continue
			}
			a, pathA := x.Verdict(j, q)
			b, pathB := y.Verdict(j, q)
			same := ended(x, j, q) == ended(y, j, q)
			if arrives(x, j, q) && arrives(y, j, q) {
				same = true // what differs is told of the input journey
			}
			in := slices.ContainsFunc(report.Regions, func(r Region) bool {
				return r.Journey == j && r.Family == family && slices.ContainsFunc(r.Boxes, func(b Box) bool { return b.Contains(&q) })
			})
			if !same {
				differing++
			}
			if !in && slices.ContainsFunc(report.Regions, func(r Region) bool { return r.Journey == j && r.Cut }) {
				continue // not all boxes are told
			}
			// A mark is told as it is changed, also where it is so already; one
			// that is not followed may be another for what it was before.
			if in != !same && !(in && same && (a.String() != b.String() || strings.Contains(a.String(), "not followed"))) {
				t.Errorf("%s: %s %+v\nold: %s %v\nnew: %s %v\nin a region: %v\n%s\n%s\n%s", name, j, q, a, pathA, b, pathB, in, dumpText(tables), dumpText(changed), sets)
				for _, r := range report.Regions {
					t.Logf("%s %s: %s → %s", r.Journey, r.Words(), r.Old, r.New)
				}
				return differing
			}
		}
	}
	for _, r := range report.Regions {
		a, _ := x.Verdict(r.Journey, r.Example)
		b, _ := y.Verdict(r.Journey, r.Example)
		if a.String() != r.ExampleOld.String() || b.String() != r.ExampleNew.String() {
			t.Errorf("%s: the example %+v of\n%s %s: %s → %s\nwent %s → %s\n%s\n%s", name, r.Example, r.Journey, r.Words(), r.ExampleOld, r.ExampleNew, a, b, dumpText(tables), dumpText(changed))
		}
	}
	return differing
}

// arrives says that a REDIRECT ends a packet's way through.
func arrives(s *Space, j Journey, p Packet) bool {
	t := tracer{program: s.program, packet: p, journey: j, effect: noEffect}
	t.run()
	return j == Forward && t.translations[t.effect.translation].redirect
}

// ended is all that a packet's fate consists of, with marks as numbers.
func ended(s *Space, j Journey, p Packet) string {
	t := tracer{program: s.program, packet: p, journey: j, effect: noEffect}
	o, _ := t.run()
	o.Marks = nil
	if t.effect.markMade {
		t.packet.Mark = 0
	}
	if t.effect.connmarkMade {
		t.packet.Connmark = 0
	}
	if o.Passes() {
		return fmt.Sprintf("%s mark %x connmark %x tos %x ttl %v notrack %v made %v %v", o, t.packet.Mark, t.packet.Connmark, t.packet.TOS, t.packet.TTL, t.effect.notrack, t.effect.markMade, t.effect.connmarkMade)
	}
	return o.String()
}

func isPossible(u *universe, j Journey, p *Packet) bool {
	t := tracer{program: &program{universe: newUniverse(u.v6)}, packet: *p, effect: noEffect}
	for _, c := range possible(j, u, false, true) {
		if !t.test(c, place{in: true, out: true, tracked: true}) {
			return false
		}
	}
	return true
}

// near changes a field or two of a packet.
func (g *generator) near(p Packet) Packet {
	q := g.packet()
	holds := map[string]bool{}
	for k, v := range p.Holds {
		holds[k] = v
	}
	p.Holds = holds
	for range g.IntN(3) {
		switch g.IntN(8) {
		case 0:
			p.Src = q.Src
		case 1:
			p.Dst = q.Dst
		case 2:
			p.SPort = q.SPort
		case 3:
			p.DPort = q.DPort
		case 4:
			p.In = q.In
		case 5:
			p.Out = q.Out
		case 6:
			p.TTL = q.TTL
		case 7:
			p.Mark = q.Mark
		}
	}
	return p
}

// flow gives a packet what its connection and the host know of it.
func (g *generator) flow(p *Packet) {
	p.State = State(pick(g, 0, 0, 0, 1, 2, 3))
	if p.State != StateNew && p.State != StateInvalid {
		p.Reply = g.chance(50)
		p.DNAT = g.chance(20)
		p.SNAT = g.chance(20)
	}
	p.Type = uint8(pick(g, 0, 0, 0, 1, 2))
	p.Mark = pick[uint32](g, 0, 0, 1, 2, 3, 0x10, 0x13)
	p.Connmark = pick[uint32](g, 0, 0, 1, 2, 3)
}

// makeSets returns the text of sets of all types, and remembers their names.
func (g *generator) makeSets() string {
	g.sets = nil
	family := "inet"
	if g.v6 {
		family = "inet6"
	}
	text := ""
	set := func(dims int, kind, options string, member func() string, n int) {
		name := fmt.Sprintf("s%d", len(g.sets))
		text += "create " + name + " " + kind + " " + options + "\n"
		seen := map[string]bool{}
		for range n {
			m := member()
			element, _, _ := strings.Cut(m, " ")
			if kind == "bitmap:ip,mac" {
				element, _, _ = strings.Cut(m, ",")
			}
			if !seen[element] {
				seen[element] = true
				text += "add " + name + " " + m + "\n"
			}
		}
		g.sets = append(g.sets, fmt.Sprintf("%s %d", name, dims))
	}
	a := func() string { return g.address().String() }
	net := func() string {
		for {
			if n := g.network(); !strings.Contains(n, "/255.") && !strings.HasSuffix(n, "/0.0.0.1") {
				return n
			}
		}
	}
	port := func() string { return pick(g, "tcp:", "tcp:", "udp:", "sctp:") + fmt.Sprint(pick(g, g.ports...)) }
	icmpPort := func() string {
		if g.chance(20) {
			if g.v6 {
				return "icmpv6:" + pick(g, "128/0", "129/0", "1/4")
			}
			return "icmp:" + pick(g, "8/0", "0/0", "3/1")
		}
		if g.chance(10) {
			return "47:0"
		}
		return port()
	}
	except := func() string { return pick(g, "", "", "", " nomatch") }
	set(1, "hash:ip", "family "+family, a, 3)
	set(1, "hash:net", "family "+family, func() string { return net() + except() }, 5)
	set(2, "hash:ip,port", "family "+family, func() string { return a() + "," + icmpPort() }, 5)
	set(2, "hash:net,port", "family "+family, func() string { return net() + "," + icmpPort() + except() }, 5)
	set(3, "hash:ip,port,ip", "family "+family, func() string { return a() + "," + icmpPort() + "," + a() }, 6)
	set(3, "hash:ip,port,net", "family "+family, func() string { return a() + "," + icmpPort() + "," + net() + except() }, 6)
	set(2, "hash:net,iface", "family "+family, func() string { return net() + "," + pick(g, g.names...) + except() }, 6)
	set(1, "bitmap:port", "range 0-65535", func() string { return fmt.Sprint(pick(g, g.ports...)) }, 4)
	if g.anySets {
		mac := func() string { return pick(g, "02:00:00:00:00:01", "02:00:00:00:00:02") }
		set(1, "hash:mac", "", mac, 1)
		set(2, "hash:ip,mac", "family "+family, func() string { return a() + "," + mac() }, 5)
		set(2, "hash:ip,mark", "family "+family, func() string { return a() + "," + pick(g, "0x1", "0x2", "0x10") }, 6)
		set(2, "hash:net,net", "family "+family, func() string { return net() + "," + net() + except() }, 6)
		set(3, "hash:net,port,net", "family "+family, func() string { return net() + "," + icmpPort() + "," + net() + except() }, 6)
	}
	if !g.v6 {
		set(1, "hash:ip", "family inet netmask 24", func() string { return pick(g, "10.1.0.0", "10.2.200.0", "10.3.4.0") }, 2)
		set(1, "bitmap:ip", "range 10.1.0.0-10.1.255.255", func() string { return pick(g, "10.1.0.1", "10.1.0.2", "10.1.1.0") }, 2)
		set(2, "bitmap:ip,mac", "range 10.1.0.0-10.1.255.255", func() string {
			return pick(g, "10.1.0.1", "10.1.0.2", "10.1.1.0") + "," + pick(g, "02:00:00:00:00:01", "02:00:00:00:00:02")
		}, 2)
	}
	text += "create m0 hash:ip family " + family + " skbinfo\nadd m0 " + a() + " skbmark 0x1\n"
	text += "create l0 list:set size 8\nadd l0 s0\nadd l0 s2\nadd l0 s7\n"
	g.sets = append(g.sets, "l0 1", "l0 2")
	return text
}

// seedOf is FWC_SEED, or one of now.
func seedOf(t testing.TB) uint64 {
	if s := os.Getenv("FWC_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return uint64(time.Now().UnixNano())
}
