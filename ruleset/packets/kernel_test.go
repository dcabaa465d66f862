package packets

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"golang.org/x/sys/unix"
)

// TestAgreesWithKernel sends packets through random rulesets of both backends
// and families, to the router, through it and from it, and holds what becomes
// of each to what was foretold. FWC_PROVE=N makes it N packets.
func TestAgreesWithKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of packets")
	}
	want := 5000
	if s := os.Getenv("FWC_PROVE"); s != "" {
		var err error
		if want, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := seedOf(t)
	t.Logf("seed %d", seed)
	var total tally
	start := time.Now()
	// FWC_ROUND begins at a later round: the seed's generator is each round's own.
	first, _ := strconv.ParseUint(os.Getenv("FWC_ROUND"), 10, 64)
	// Some seeds draw few translations: those go on.
	enough := func() bool {
		return total.packets >= want && (total.translated >= want/200 || total.packets >= 3*want)
	}
	for round := first; !enough() && !t.Failed(); round++ {
		// The third kind has both backends' tables, loaded in netfilter.Load's
		// order into a namespace that has seen none.
		v6, backends := round%2 == 1, [][]ruleset.Backend{{ruleset.NFT}, {ruleset.Legacy}, {ruleset.NFT, ruleset.Legacy}}[round/2%3]
		again := uint64(8)
		if len(backends) == 2 {
			again = 1
		}
		err := netns.Do(func() error {
			l, err := newLab(v6)
			if err != nil {
				return err
			}
			defer l.close()
			for k := range again {
				if enough() || t.Failed() {
					return nil
				}
				g := newGenerator(rand.New(rand.NewPCG(seed, round<<8|k)), v6)
				if err := l.round(t, g, backends, &total, fmt.Sprintf("FWC_SEED=%d round %d.%d %s", seed, round, k, backends)); err != nil {
					return fmt.Errorf("seed %d round %d.%d: %w", seed, round, k, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d packets in %s: %+v", total.packets, time.Since(start).Round(time.Second), total)
	for name, n := range map[string]int{"accepted": total.accepted, "dropped": total.dropped, "rejected": total.rejected, "translated": total.translated,
		"input": total.journeys[Input], "forward": total.journeys[Forward], "output": total.journeys[Output],
		"established": total.states[StateEstablished], "related": total.states[StateRelated], "invalid": total.states[StateInvalid]} {
		if n < want/200 {
			t.Errorf("only %d of %d packets are %s: the test shows little", n, total.packets, name)
		}
	}
}

type tally struct {
	packets, accepted, dropped, rejected, answered, translated int
	kinds                                                      map[string]int // families and backends
	journeys                                                   map[Journey]int
	states                                                     map[State]int
}

// probe is a packet to send and what should become of it.
type probe struct {
	Packet
	id      uint32
	journey Journey
	outcome Outcome
	steps   []Step
	final   Packet
	inner   []byte
	before  []Packet // that make its connection, each way in turn
}

const probesOfRound = 200

// round loads a ruleset and sends packets through it.
func (l *lab) round(t *testing.T, g *generator, backends []ruleset.Backend, total *tally, name string) error {
	family, kind := g.family()
	sets := g.makeSets()
	text := ""
	dumps := []ruleset.Dump{{Kind: ruleset.IPSet, Text: []byte(sets)}}
	for _, b := range backends {
		tables := dumpText(allTables(g.ruleset(6)))
		dumps = append(dumps, ruleset.Dump{Kind: kind, Backend: b, Text: []byte(tables)})
		text += tables
	}
	snap, err := dumpSnapshot(dumps...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	space, err := New(snap, family)
	if err != nil {
		return err
	}
	probes := l.probes(g, space)
	ctx := context.Background()

	// First the connections, through a router without rules.
	if len(backends) == 1 {
		empty := ruleset.Dump{Kind: kind, Backend: backends[0], Text: []byte(dumpText(allTables(nil)))}
		if err := netfilter.Restore(ctx, empty, netfilter.RestoreOptions{}); err != nil {
			return err
		}
	}
	if err := script("for i in 1 2 3 4 5 6 7 8; do ipset flush; ipset destroy 2>/dev/null && exit 0; sleep 0.05; done; ipset destroy\n"); err != nil {
		return err
	}
	if err := flushConnections(); err != nil {
		return err
	}
	for i := range probes {
		for k := range probes[i].before {
			if err := l.out(&probes[i].before[k], probes[i].id, nil); err != nil {
				return err
			}
			if err := l.settle(); err != nil {
				return err
			}
		}
	}
	for _, d := range dumps {
		if err := netfilter.Restore(ctx, d, netfilter.RestoreOptions{}); err != nil {
			return fmt.Errorf("%w\n%s\n%s", err, text, sets)
		}
	}
	l.heard = nil
	for i := range probes {
		if err := l.out(&probes[i].Packet, probes[i].id, probes[i].inner); err != nil {
			return fmt.Errorf("%+v: %w", probes[i].Packet, err)
		}
		if i%50 == 49 {
			if err := l.settle(); err != nil {
				return err
			}
		}
	}
	if err := l.settle(); err != nil {
		return err
	}
	byID := map[uint32][]arrival{}
	for _, a := range l.heard {
		byID[a.id] = append(byID[a.id], a)
	}
	for i := range probes {
		p := &probes[i]
		total.count(p, byID[p.id])
		total.kinds[string(family)]++
		total.kinds[fmt.Sprint(backends)]++
		if wrong := l.judge(p, byID[p.id]); wrong != "" {
			t.Errorf("%s: %s: %s of %+v: foretold %s\n%v\nfinally %+v\nheard %+v\n%s\n%s", name, wrong, p.journey, p.Packet, p.outcome, p.steps, p.final, byID[p.id], text, sets)
			return nil
		}
	}
	return nil
}

// out sends a packet by the way that it goes.
func (l *lab) out(p *Packet, id uint32, inner []byte) error {
	q := *p
	b := frame(&q, id, inner)
	if p.In == "" {
		return l.leave(p, b)
	}
	return l.arrive(p, b)
}

// judge says what is wrong with what was heard of a packet, "" for nothing.
func (l *lab) judge(p *probe, heard []arrival) string {
	var through, local, answers []arrival
	for _, a := range heard {
		switch {
		case a.reject == "tcp-reset", a.answer && (a.proto != p.Proto || !icmpError(p.Proto, p.ICMPType)):
			answers = append(answers, a)
		case a.link == nil:
			local = append(local, a)
		default:
			through = append(through, a)
		}
	}
	if p.outcome.Verdict == Accept {
		got := through
		if p.journey == Input {
			got = local
		}
		switch {
		case len(got) != 1:
			return fmt.Sprintf("it came out %d times", len(got))
		case p.journey != Input && got[0].link.name != p.Out:
			return "it left by " + got[0].link.name
		case got[0].dst.IsValid() && got[0].dst != p.final.Dst:
			return "it went to " + got[0].dst.String()
		case p.journey != Input && hasPorts(p.Proto) && got[0].dport != p.final.DPort:
			return fmt.Sprintf("it went to port %d", got[0].dport)
		case got[0].src.IsValid() && got[0].src != l.sourceOf(p):
			return "it came from " + got[0].src.String() + ", not " + l.sourceOf(p).String()
		}
		return ""
	}
	if len(through)+len(local) > 0 {
		return "it came through"
	}
	for _, a := range answers {
		if p.outcome.Verdict == Drop && p.final.TTL < 2 && a.reject == "time-exceeded" {
			continue
		}
		if p.outcome.Verdict != Reject || a.reject != p.outcome.With {
			return "it was answered by " + a.reject
		}
	}
	return ""
}

// sourceOf is where a packet should seem to come from.
func (l *lab) sourceOf(p *probe) netip.Addr {
	if to, ok := strings.CutPrefix(p.outcome.Source, "SNAT --to-source "); ok {
		if to, ok := strings.CutSuffix(to, ":7000"); ok {
			return netip.MustParseAddr(strings.Trim(to, "[]"))
		}
		return netip.MustParseAddr(to)
	}
	if to, ok := strings.CutPrefix(p.outcome.Source, "NETMAP --to "); ok {
		return netip.MustParsePrefix(to).Addr()
	}
	if strings.HasPrefix(p.outcome.Source, "MASQUERADE") {
		a := l.link(p.Out).address // the far end's
		return a.Prev()
	}
	return p.Src
}

func hasPorts(proto uint8) bool {
	return slices.Contains([]uint8{protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite}, proto)
}

func (t *tally) count(p *probe, heard []arrival) {
	if t.journeys == nil {
		t.kinds, t.journeys, t.states = map[string]int{}, map[Journey]int{}, map[State]int{}
	}
	t.packets++
	t.journeys[p.journey]++
	t.states[p.State]++
	switch p.outcome.Verdict {
	case Accept:
		t.accepted++
	case Drop:
		t.dropped++
	case Reject:
		t.rejected++
		if len(heard) > 0 {
			t.answered++
		}
	}
	if p.outcome.Destination+p.outcome.Source != "" {
		t.translated++
	}
}

// probes makes packets of different connections, with what should become of
// them.
func (l *lab) probes(g *generator, space *Space) []probe {
	var out []probe
	taken := map[string]bool{}
	for tries := 0; len(out) < probesOfRound && tries < 20*probesOfRound; tries++ {
		p := probe{Packet: g.packet(), id: uint32(len(out) + 1)}
		p.Type = uint8(pick(g, 0, 0, 0, 0, 1, 2))
		switch g.IntN(5) {
		case 0, 1: // to the router
			for a := range l.local {
				if g.chance(50) || p.Dst == a {
					p.Dst = a
				}
			}
			p.Dst = sortedLocals(l)[g.IntN(len(l.local))]
		case 2: // from it
			p.In = ""
			p.Type, p.MAC = 0, [6]byte{}
			p.Mark = pick[uint32](g, 0, 0, 1, 2, 0x10)
			if g.chance(50) {
				p.Src = sortedLocals(l)[g.IntN(len(l.local))]
			}
		}
		if g.v6 {
			p.Length = max(p.Length, 88)
		}
		if p.Proto == protoSCTP {
			p.Length = uint16(20 + 32 + map[bool]int{true: 20}[g.v6])
		}
		p.State = fresh(&p.Packet)
		if !l.connect(g, &p) || !l.foretell(&p, space) {
			continue
		}
		seems := p.final
		seems.Src = l.sourceOf(&p)
		keys := []string{connectionKey(&p.Packet, p.id), connectionKey(&p.final, p.id), connectionKey(&seems, p.id)}
		if p.outcome.Source != "" {
			// A source that is translated once is translated so again, with its
			// port (find_appropriate_src of nf_nat_core.c).
			keys = append(keys, fmt.Sprint("from ", p.Proto, p.Src, p.SPort))
		}
		for i := range p.before {
			keys = append(keys, connectionKey(&p.before[i], p.id))
		}
		if slices.ContainsFunc(keys, func(k string) bool { return taken[k] }) {
			continue
		}
		for _, k := range keys {
			taken[k] = true
		}
		out = append(out, p)
	}
	return out
}

func sortedLocals(l *lab) []netip.Addr {
	var out []netip.Addr
	for a := range l.local {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// fresh is what connection tracking makes of a packet whose connection it has
// not seen.
func fresh(p *Packet) State {
	v6 := p.Src.Is6()
	p.State = StateNew
	for _, c := range possibleStates(v6, false) {
		t := tracer{program: &program{universe: newUniverse(v6)}, packet: *p}
		if !t.test(c, tracked) {
			return StateInvalid
		}
	}
	return StateNew
}

// connect gives some packets a connection from before.
func (l *lab) connect(g *generator, p *probe) bool {
	if !g.chance(35) || p.In == "" && !l.local[p.Src] {
		return true
	}
	if p.Proto == protoUDP && g.chance(60) && p.In != "" {
		return l.relate(g, p)
	}
	icmp, request, reply := uint8(protoICMP), uint8(8), uint8(0)
	if l.v6 {
		icmp, request, reply = protoICMPv6, 128, 129
	}
	out := l.route(p.Dst)
	switch {
	case p.Proto == protoTCP && p.In != "" && out != "":
		p.Flags = pick[uint8](g, 16, 16, 24, 17)
	case p.Proto == protoUDP, p.Proto == 47:
	case p.Proto == icmp && p.In != "" && out != "":
		p.ICMPType, p.ICMPCode = request, 0
	default:
		return true
	}
	p.State = StateEstablished
	p.Reply = g.chance(50) && p.In != "" && out != "" && l.route(p.Src) != ""
	forth := p.Packet
	forth.Type, forth.Flags, forth.TTL, forth.Mark = 0, 2, 64, 0
	back := forth
	back.Src, back.Dst, back.SPort, back.DPort, back.In, back.Out = p.Dst, p.Src, p.DPort, p.SPort, out, p.In
	if p.Reply {
		forth, back = back, forth
	}
	back.Flags = 18
	if p.Proto == icmp {
		forth.ICMPType, back.ICMPType = request, reply
		if p.Reply {
			p.ICMPType = reply
		}
	}
	p.before = []Packet{forth, back}
	return true
}

// relate makes the packet an ICMP error about a connection.
func (l *lab) relate(g *generator, p *probe) bool {
	flow := p.Packet
	flow.Src, flow.Dst, flow.SPort, flow.DPort, flow.Type, flow.TTL, flow.Length = p.Dst, g.packet().Dst, p.SPort, p.DPort, 0, 64, 0
	if l.route(flow.Dst) == "" || l.own[flow.Src] || flow.Src == flow.Dst {
		return false
	}
	p.Proto, p.ICMPType, p.ICMPCode, p.Length = protoICMP, 3, uint8(pick(g, 0, 1, 4)), 100
	n := 28
	if l.v6 {
		p.Proto, p.ICMPType, p.Length, n = protoICMPv6, 1, 120, 48
	}
	p.SPort, p.DPort = 0, 0
	inner := flow
	p.inner = frame(&inner, p.id, nil)[:n]
	p.State, p.Reply, p.before = StateRelated, true, []Packet{flow}
	return true
}

// foretell follows a packet the way the router sends it. It returns false for
// one that routing itself refuses, or sends where packet space knows nothing.
func (l *lab) foretell(p *probe, space *Space) bool {
	q := p.Packet
	b := frame(&q, p.id, p.inner)
	p.Length = uint16(len(b))
	if p.Src == p.Dst || l.own[p.Dst] && !l.local[p.Dst] || p.Src.IsMulticast() {
		return false
	}
	if p.In == "" {
		p.Out = l.route(p.Dst)
		p.journey = Output
		if p.Out == "" {
			return false
		}
	} else {
		if l.own[p.Src] {
			return false
		}
		// Where it goes is told by its destination behind PREROUTING.
		p.Out = "?"
		t := tracer{program: space.program, packet: p.Packet, journey: Forward, effect: noEffect}
		t.run()
		p.Out, p.journey = l.route(t.packet.Dst), Forward
		if p.Out == "" {
			p.journey = Input
		}
		if p.journey == Forward && (p.Type != 0 || p.TTL < 2 && !space.program.hops) {
			return false
		}
	}
	t := tracer{program: space.program, packet: p.Packet, journey: p.journey, effect: noEffect}
	p.outcome, p.steps = t.run()
	p.final = t.packet
	if len(p.before) > 0 && slices.ContainsFunc(p.steps, func(s Step) bool { return strings.Contains(s.Text, " --zone ") }) {
		return false // its connection is one of another zone
	}
	return p.journey != Output || l.route(p.final.Dst) == p.Out
}

// connectionKey is equal for packets of one connection.
func connectionKey(p *Packet, id uint32) string {
	a, b := netip.AddrPortFrom(p.Src, p.SPort), netip.AddrPortFrom(p.Dst, p.DPort)
	switch p.Proto {
	case protoICMP, protoICMPv6:
		return fmt.Sprint("icmp ", id)
	case protoDCCP, 47:
		a, b = netip.AddrPortFrom(p.Src, 0), netip.AddrPortFrom(p.Dst, 0)
	}
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return fmt.Sprint(p.Proto, a, b)
}

// allTables completes a ruleset with the tables that it leaves out.
func allTables(tables [][]string) [][]string {
	var out [][]string
	for _, t := range generatedTables {
		i := slices.IndexFunc(tables, func(lines []string) bool { return lines[0] == "*"+t.name })
		if i >= 0 {
			out = append(out, tables[i])
			continue
		}
		lines := []string{"*" + t.name}
		for _, c := range t.chains {
			lines = append(lines, ":"+c+" ACCEPT [0:0]")
		}
		out = append(out, append(lines, "COMMIT"))
	}
	return out
}

// flushConnections makes connection tracking forget all: IPCTNL_MSG_CT_DELETE
// without a filter.
func flushConnections() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b, 20)
	binary.NativeEndian.PutUint16(b[4:], 1<<8|2)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	n, _, err := unix.Recvfrom(fd, make([]byte, 4096), 0)
	if err == nil && n < 20 {
		err = fmt.Errorf("answer of %d bytes", n)
	}
	return err
}
