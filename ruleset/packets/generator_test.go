package packets

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// generator makes rulesets over all that packet space models, and packets at
// the edges of what its rules ask. Everything it makes loads on a kernel.
type generator struct {
	*rand.Rand
	v6 bool
	// stateful leaves out what asks for fragments.
	names []string // of interfaces
	// addresses, ports: what packets and rules are about.
	addresses []netip.Addr
	ports     []uint16
	atoms     bool
	// changing is what asks for what rules change on the way, and for little
	// else.
	changing bool
	loads    bool     // on a kernel, whatever the unknowns
	anySets  bool     // also of types that this kernel may not have
	sets     []string // names with their number of dimensions: "s1 2"
}

func newGenerator(r *rand.Rand, v6 bool) *generator {
	g := &generator{Rand: r, v6: v6, names: []string{"a0", "a1", "b0", "b10"}, ports: []uint16{1, 22, 53, 80, 443, 1023, 1024, 8080, 40000, 65535}}
	for _, s := range []string{"10.1.0.1", "10.1.0.2", "10.1.0.255", "10.1.1.0", "10.2.0.7", "10.2.128.1", "10.2.200.9", "10.3.0.1", "10.3.4.5"} {
		a := netip.MustParseAddr(s)
		if v6 {
			a = netip.MustParseAddr("fd00:" + strings.ReplaceAll(s[3:], ".", ":") + "::" + s[strings.LastIndexByte(s, '.')+1:])
		}
		g.addresses = append(g.addresses, a)
	}
	return g
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g *generator) not(percent int) string {
	if g.chance(percent) {
		return "! "
	}
	return ""
}

func (g *generator) address() netip.Addr { return pick(g, g.addresses...) }

func (g *generator) network() string {
	a := g.address()
	if !g.v6 && g.chance(8) {
		return a.String() + "/" + pick(g, "255.255.0.255", "255.0.255.0", "0.0.0.1")
	}
	n := pick(g, 8, 15, 16, 17, 23, 24, 31, 32, 32)
	if g.v6 {
		n = pick(g, 16, 32, 33, 48, 64, 127, 128, 128)
	}
	p, _ := a.Prefix(n)
	return p.String()
}

func (g *generator) portRange() string {
	a := pick(g, g.ports...)
	if g.chance(30) {
		b := pick(g, g.ports...)
		if b < a {
			a, b = b, a
		}
		return fmt.Sprintf("%d:%d", a, b)
	}
	return fmt.Sprint(a)
}

func (g *generator) interfaceName() string {
	return pick(g, "a0", "a1", "b0", "b10", "b1", "a+", "b+", "b1+", "c0")
}

// header returns a protocol and the matches that go with it.
func (g *generator) header(chain string) (proto, rest string) {
	icmp, icmpMatch, icmpTypes := "icmp", "-m icmp --icmp-type ", []string{"8", "0", "3", "3/1", "11", "13", "any"}
	if g.v6 {
		icmp, icmpMatch, icmpTypes = "ipv6-icmp", "-m icmp6 --icmpv6-type ", []string{"128", "129", "1", "1/4", "3", "139"}
	}
	switch g.IntN(10) {
	case 0, 1, 2:
		proto = "tcp"
	case 3, 4:
		proto = "udp"
	case 5:
		proto = icmp
	case 6:
		proto = pick(g, "sctp", "47", "udplite", "dccp")
	case 7:
		return "", g.not(100) + "-p " + pick(g, "tcp", "udp", icmp, "47")
	default:
		return "", ""
	}
	rest = "-p " + proto
	switch {
	case proto == icmp && g.chance(70):
		rest += " " + strings.Replace(icmpMatch, "--", g.not(20)+"--", 1) + pick(g, icmpTypes...)
	case proto == "tcp" && g.chance(25):
		flags := []string{"FIN", "SYN", "RST", "ACK", "PSH", "URG"}
		rest += " -m tcp " + g.not(25) + pick(g, "--syn", "--tcp-flags ALL NONE", "--tcp-flags SYN,RST SYN,RST",
			"--tcp-flags "+pick(g, flags...)+","+pick(g, flags...)+" "+pick(g, flags...), "--tcp-flags ACK ACK")
	case proto == "tcp" || proto == "udp" || proto == "sctp" || proto == "dccp" || proto == "udplite":
		if g.chance(25) {
			list := g.portRange()
			if lo, hi, ok := strings.Cut(list, ":"); ok && lo == hi {
				list = lo
			}
			for range g.IntN(3) {
				list += "," + fmt.Sprint(pick(g, g.ports...))
			}
			rest += " -m multiport " + g.not(25) + pick(g, "--dports", "--sports", "--ports") + " " + list
		} else if proto != "udplite" {
			rest += " -m " + proto
			if g.chance(70) {
				rest += " " + g.not(15) + "--dport " + g.portRange()
			}
			if g.chance(25) {
				rest += " " + g.not(15) + "--sport " + g.portRange()
			}
		}
	}
	return proto, rest
}

func (g *generator) rule(table, chain string, jumps []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-A %s", chain)
	add := func(s string) {
		if s != "" {
			b.WriteString(" " + s)
		}
	}
	proto, rest := g.header(chain)
	if g.changing && g.chance(70) {
		add(pick(g, "", "-s "+g.network(), "-d "+g.network()))
		add("-m " + pick(g, "mark ", "mark ", "connmark ") + g.not(20) + "--mark " + pick(g, "0x0/0x3", "0x1/0x1", "0x1/0x3", "0x2/0x2"))
		add(g.target(table, chain, "", jumps))
		return b.String()
	}
	if g.chance(45) {
		add(g.not(15) + "-s " + g.network())
	}
	if g.chance(45) {
		add(g.not(15) + "-d " + g.network())
	}
	base := slices.Contains([]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}, chain)
	if g.chance(25) && (!base || chain == "PREROUTING" || chain == "INPUT" || chain == "FORWARD") {
		add(g.not(20) + "-i " + g.interfaceName())
	}
	if g.chance(20) && (!base || chain == "OUTPUT" || chain == "POSTROUTING" || chain == "FORWARD") {
		add(g.not(20) + "-o " + g.interfaceName())
	}
	add(rest)
	if table == "raw" && g.chance(40) {
		add(g.ofTemplate())
	} else if g.chance(35) {
		add(g.module(table, chain, base))
	}
	target := g.target(table, chain, proto, jumps)
	if strings.HasPrefix(target, "-j DNAT ") {
		target = g.another(target, b.String())
	}
	add(target)
	return b.String()
}

// another makes some DNATs into a NETMAP of the destinations that the rule asks
// for, or, where nobody has to know which address is taken, one of a range.
func (g *generator) another(target, rule string) string {
	if g.atoms && g.loads && g.chance(10) {
		a := g.address()
		return fmt.Sprintf("-j DNAT --to-destination %s-%s", a, a.Next())
	}
	if g.atoms && !g.loads && g.chance(15) {
		a, b := g.address(), g.address()
		if b.Less(a) {
			a, b = b, a
		}
		return fmt.Sprintf("-j DNAT --to-destination %s-%s", a, b)
	}
	_, after, _ := strings.Cut(rule, " -d ")
	text, _, _ := strings.Cut(after, " ")
	p, err := netip.ParsePrefix(text)
	if err != nil || strings.Contains(rule, "! -d ") || p.Bits() < 15 || !g.chance(40) {
		return target
	}
	n := min(p.Bits()+pick(g, 0, 0, 0, 1, 3), p.Addr().BitLen())
	return "-j NETMAP --to " + netip.PrefixFrom(g.address(), n).Masked().String()
}

// ofTemplate is a match that CT's templates answer where they stand for the
// packet's connection.
func (g *generator) ofTemplate() string {
	zero, other := "0.0.0.0/8", "10.1.0.1"
	if g.v6 {
		zero, other = "::/16", "fd00:1::1"
	}
	return pick(g, "-m conntrack "+g.not(25)+"--ctstate "+pick(g, "NEW", "NEW", "INVALID", "UNTRACKED", "NEW,UNTRACKED", "ESTABLISHED", "SNAT", "DNAT,INVALID"),
		"-m state --state "+pick(g, "NEW", "INVALID", "UNTRACKED"),
		"-m conntrack --ctdir "+pick(g, "ORIGINAL", "REPLY"),
		"-m conntrack --ctstate NEW,INVALID --ctdir "+pick(g, "ORIGINAL", "REPLY"),
		"-m conntrack "+g.not(30)+"--ctproto 17",
		"-m conntrack "+g.not(30)+"--ctorigsrc "+pick(g, zero, other),
		"-m conntrack "+g.not(30)+"--ctrepldst "+pick(g, zero, other),
		"-m conntrack "+g.not(30)+"--ctorigsrcport "+pick(g, "0:5", "7"),
		"-m conntrack "+g.not(30)+"--ctstatus "+pick(g, "NONE", "CONFIRMED", "ASSURED", "EXPECTED,CONFIRMED"),
		"-m connmark "+g.not(30)+"--mark "+pick(g, "0x0", "0x1", "0x0/0xf", "0x4/0x4"),
		"-m helper "+g.not(50)+"--helper ftp",
		"-m connlabel "+g.not(50)+"--label 3",
		"-m connbytes "+g.not(50)+"--connbytes 0:100 --connbytes-mode bytes --connbytes-dir both")
}

func (g *generator) module(table, chain string, base bool) string {
	hl, hlMatch := "ttl", "--ttl-"
	if g.v6 {
		hl, hlMatch = "hl", "--hl-"
	}
	switch g.IntN(13) {
	case 0, 1:
		return "-m conntrack " + g.not(20) + "--ctstate " + pick(g, "NEW", "INVALID", "RELATED,ESTABLISHED", "INVALID,NEW", "UNTRACKED", "DNAT", "NEW,SNAT", "ESTABLISHED")
	case 2:
		if g.chance(50) {
			return "-m conntrack --ctdir " + pick(g, "ORIGINAL", "REPLY")
		}
		return "-m conntrack --ctstate NEW,INVALID --ctdir " + pick(g, "ORIGINAL", "REPLY")
	case 3:
		return "-m mark " + g.not(20) + "--mark " + pick(g, "0x1", "0x2/0x3", "0x0/0xf", "0x10/0x10", "0x3")
	case 4:
		return "-m connmark " + g.not(20) + "--mark " + pick(g, "0x0", "0x1/0x1", "0x2/0x3")
	case 5:
		a, b := g.address(), g.address()
		if b.Less(a) {
			a, b = b, a
		}
		return fmt.Sprintf("-m iprange %s%s %s-%s", g.not(20), pick(g, "--src-range", "--dst-range"), a, b)
	case 6:
		return "-m " + hl + " " + pick(g, hlMatch+"eq 64", hlMatch+"eq 255", hlMatch+"lt 63", hlMatch+"gt 63", "! "+hlMatch+"eq 63")
	case 7:
		return "-m length " + g.not(20) + "--length " + pick(g, "0:60", "61", "60:100", "100:65535")
	case 8:
		if g.chance(20) {
			return "-m ecn " + g.not(30) + "--ecn-ip-ect " + pick(g, "0", "1", "3")
		}
		return pick(g, "-m tos "+g.not(20)+"--tos "+pick(g, "0x10/0x3f", "0x00/0xff", "0x08/0x08"), "-m dscp "+g.not(20)+"--dscp "+pick(g, "0x00", "0x04", "0x2e"))
	case 9:
		if chain == "PREROUTING" || chain == "INPUT" || chain == "FORWARD" {
			return "-m mac " + g.not(30) + "--mac-source " + pick(g, "02:00:00:00:00:01", "02:00:00:00:00:02")
		}
	case 10:
		if table != "raw" || chain == "PREROUTING" {
			return "-m pkttype " + g.not(30) + "--pkt-type " + pick(g, "unicast", "broadcast", "multicast")
		}
	default:
		if len(g.sets) > 0 {
			name, dims, _ := strings.Cut(pick(g, g.sets...), " ")
			dirs := pick(g, "src", "dst")
			n := int(dims[0] - '0')
			if g.chance(10) {
				n += g.IntN(3) - 1
			}
			for i := 1; i < n; i++ {
				dirs += "," + pick(g, "src", "dst")
			}
			out := "-m set " + g.not(25) + "--match-set " + name + " " + dirs
			if g.chance(10) {
				out += " --return-nomatch"
			}
			return out
		}
	}
	if g.atoms && g.loads && (!base || chain != "OUTPUT" && chain != "POSTROUTING") {
		return pick(g, "-m limit --limit 5/min", "-m limit --limit 3/min --limit-burst 2", "-m string --string \"x\" --algo bm --to 65535", "-m addrtype "+g.not(30)+"--dst-type LOCAL",
			"-m addrtype "+g.not(30)+"--src-type "+pick(g, "LOCAL", "UNICAST"), "-m quota --quota 100000", "-m connlimit --connlimit-upto 5 --connlimit-mask 24 --connlimit-saddr",
			"-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name h", "-m statistic --mode nth --every 2 --packet 0",
			"-m recent "+g.not(30)+"--rcheck --name r --mask "+map[bool]string{false: "255.255.255.255", true: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}[g.v6]+" --rsource")
	}
	if g.atoms {
		return pick(g, "-m limit --limit 5/min", "-m string --string \"x\" --algo bm --to 65535", "-m addrtype "+g.not(30)+"--dst-type LOCAL", "-m owner --uid-owner 7")
	}
	return ""
}

// target is what a rule does, "" for nothing.
func (g *generator) target(table, chain, proto string, jumps []string) string {
	if len(jumps) > 0 && g.chance(25) {
		return pick(g, "-j ", "-j ", "-g ") + pick(g, jumps...)
	}
	if g.chance(12) {
		return "-j RETURN"
	}
	ports := ""
	if proto == "tcp" || proto == "udp" {
		ports = pick(g, "", ":8080", ":22")
	}
	to := pick(g, g.addresses[4:]...).String()
	if ports != "" && g.v6 {
		to = "[" + to + "]"
	}
	mark := pick(g, "--set-xmark 0x1/0xffffffff", "--set-xmark 0x2/0x3", "--set-xmark 0x10/0x0", "--set-xmark 0x10/0x10", "--set-xmark 0x0/0xffffffff")
	switch {
	case table == "raw" && !g.atoms && g.chance(5):
		return "-j MARK " + mark // a template's would be unknown
	case table != "mangle" && (g.atoms || table != "raw") && g.chance(5):
		return pick(g, "-j MARK "+mark, "-j CONNMARK "+mark, "-j CONNMARK --restore-mark --nfmask 0xf --ctmask 0x3")
	case table == "raw" && g.chance(50):
		return pick(g, "-j CT --notrack", "-j CT --notrack", "-j CT --ctevents new", "-j CT --ctevents new", "-j CT --zone 1",
			"-j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0xff")
	case table == "mangle" && g.chance(60):
		hl := "-j TTL --ttl-" + pick(g, "set 50", "set 50", "set 255", "set 1", "dec 1", "dec 63", "inc 1", "inc 200")
		if g.v6 {
			hl = strings.NewReplacer("TTL", "HL", "ttl", "hl").Replace(hl)
		}
		if g.atoms && !g.changing && g.chance(8) {
			return pick(g, "-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000007 --hmark-mod 4 --hmark-offset 1", "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff --left-shift-mark 1",
				"-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff --right-shift-mark 1", "-j SET --map-set m0 src --map-mark")
		}
		return pick(g, "-j MARK "+mark, "-j MARK "+mark, "-j CONNMARK "+mark, "-j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x3",
			"-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", "-j CONNMARK --restore-mark --nfmask 0xf --ctmask 0x3",
			"-j TOS --set-tos 0x10/0x3f", "-j DSCP --set-dscp 0x04", hl)
	case table == "nat":
		switch {
		case g.chance(25):
			return "-j ACCEPT"
		case chain == "PREROUTING" || chain == "OUTPUT" || strings.HasSuffix(chain, "d"):
			if g.atoms && g.chance(25) {
				if ports != "" {
					return "-j REDIRECT --to-ports 8080"
				}
				return "-j REDIRECT"
			}
			return "-j DNAT --to-destination " + to + ports
		case chain == "POSTROUTING" || chain == "INPUT" || strings.HasSuffix(chain, "s"):
			if chain == "POSTROUTING" && g.chance(30) {
				return "-j MASQUERADE"
			}
			source := g.addresses[7].String()
			if g.chance(20) {
				return "-j NETMAP --to " + source + "/" + fmt.Sprint(g.addresses[7].BitLen())
			}
			if g.atoms && !g.loads && g.chance(20) {
				return "-j SNAT --to-source " + source + "-" + g.addresses[8].String()
			}
			if ports != "" && g.chance(50) {
				if g.v6 {
					source = "[" + source + "]"
				}
				return "-j SNAT --to-source " + source + ":7000"
			}
			return "-j SNAT --to-source " + source
		}
		return "-j ACCEPT"
	case table == "filter" && g.chance(20):
		kinds := []string{"icmp-port-unreachable", "icmp-host-prohibited", "icmp-admin-prohibited"}
		if g.v6 {
			kinds = []string{"icmp6-port-unreachable", "icmp6-adm-prohibited", "icmp6-no-route"}
		}
		if proto == "tcp" && g.chance(60) {
			kinds = []string{"tcp-reset"}
		}
		if chain == "INPUT" || chain == "FORWARD" || chain == "OUTPUT" || chain[0] == 'u' {
			return "-j REJECT --reject-with " + pick(g, kinds...)
		}
	case g.chance(8):
		return ""
	}
	return pick(g, "-j ACCEPT", "-j ACCEPT", "-j DROP")
}

var generatedTables = []struct {
	name   string
	chains []string
	users  []string
}{
	{"raw", []string{"PREROUTING", "OUTPUT"}, []string{"ua"}},
	{"mangle", []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}, []string{"ua", "ub"}},
	{"nat", []string{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}, []string{"und", "uns"}},
	{"filter", []string{"INPUT", "FORWARD", "OUTPUT"}, []string{"ua", "ub", "uc"}},
	{"security", []string{"INPUT", "FORWARD", "OUTPUT"}, nil},
}

// ruleset makes the tables, of which each is there with some chance.
func (g *generator) ruleset(size int) [][]string {
	var out [][]string
	for i, t := range generatedTables {
		switch {
		case g.changing && t.name != "mangle":
			continue
		case !g.changing && t.name != "filter" && !g.chance([]int{25, 45, 40, 100, 10}[i]):
			continue
		}
		lines := []string{"*" + t.name}
		for _, c := range t.chains {
			policy := "ACCEPT"
			if t.name != "nat" && g.chance(12) {
				policy = "DROP"
			}
			lines = append(lines, ":"+c+" "+policy+" [0:0]")
		}
		for _, c := range t.users {
			lines = append(lines, ":"+c+" - [0:0]")
		}
		for _, c := range t.chains {
			jumps := t.users
			if t.name == "nat" {
				jumps = t.users[:1]
				if c == "INPUT" || c == "POSTROUTING" {
					jumps = t.users[1:]
				}
			}
			for range g.IntN(size + 1) {
				lines = append(lines, g.rule(t.name, c, jumps))
			}
		}
		for k, c := range t.users {
			jumps := t.users[k+1:]
			if t.name == "nat" {
				jumps = nil
			}
			for range g.IntN(size + 1) {
				lines = append(lines, g.rule(t.name, c, jumps))
			}
		}
		out = append(out, append(lines, "COMMIT"))
	}
	return out
}

func dumpText(tables [][]string) string {
	var b strings.Builder
	for _, t := range tables {
		for _, l := range t {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

// mutate returns the tables with a few rules dropped, moved, changed or added.
func (g *generator) mutate(tables [][]string) [][]string {
	out := make([][]string, len(tables))
	for i := range tables {
		out[i] = slices.Clone(tables[i])
	}
	for range 1 + g.IntN(3) {
		t := g.IntN(len(out))
		var rules []int
		for i, l := range out[t] {
			if strings.HasPrefix(l, "-A ") {
				rules = append(rules, i)
			}
		}
		if len(rules) == 0 {
			continue
		}
		i := pick(g, rules...)
		switch g.IntN(5) {
		case 4: // a word of the rule
			verdict := " -j DROP"
			if out[t][0] == "*nat" {
				verdict = " -j RETURN"
			}
			words := strings.NewReplacer(" --limit 5/min", " --limit 4/min", " -j ACCEPT", verdict, verdict, " -j ACCEPT", " ! -", " -", "/24 ", "/23 ", "/64 ", "/63 ", " --dport 22 ", " --dport 53 ")
			out[t][i] = strings.TrimSuffix(words.Replace(out[t][i]+" "), " ")
		case 0:
			out[t] = slices.Delete(out[t], i, i+1)
		case 1:
			j := pick(g, rules...)
			l := out[t][i]
			out[t] = slices.Insert(slices.Delete(out[t], i, i+1), j, l)
		case 2:
			j := pick(g, rules...)
			out[t] = slices.Insert(out[t], i, out[t][j])
		default:
			chain := strings.Fields(out[t][i])[1]
			out[t][i] = g.rule(out[t][0][1:], chain, nil)
		}
	}
	return out
}

// packet makes a packet at the edges of what rules ask.
func (g *generator) packet() Packet {
	near := func() netip.Addr {
		a := g.address()
		switch g.IntN(4) {
		case 0:
			return a.Next()
		case 1:
			return a.Prev()
		}
		return a
	}
	p := Packet{
		Src: near(), Dst: near(), Local: near(), SPort: pick(g, g.ports...), DPort: pick(g, g.ports...) + uint16(pick(g, 0, 0, 1)),
		In: pick(g, g.names...), Out: pick(g, g.names...), TTL: uint8(pick(g, 64, 64, 64, 63, 62, 65, 2, 1, 255)), Length: uint16(pick(g, 60, 61, 100, 101)),
		TOS: uint8(pick(g, 0, 0, 0x10, 0x08, 0xb8, 0xb9, 0x03)), MAC: [6]byte{2, 0, 0, 0, 0, byte(1 + g.IntN(2))},
		Holds: map[string]bool{},
	}
	icmp := uint8(protoICMP)
	types := []uint8{8, 8, 0, 3, 11, 13}
	if g.v6 {
		icmp, types = protoICMPv6, []uint8{128, 128, 129, 1, 3, 139}
	}
	p.Proto = pick(g, 6, 6, 6, 17, 17, icmp, icmp, 132, 47, 136, 33)
	switch p.Proto {
	case protoTCP:
		p.Flags = pick[uint8](g, 2, 2, 2, 16, 18, 4, 20, 17, 0, 63, 6, 24)
	case icmp:
		p.ICMPType, p.ICMPCode = pick(g, types...), uint8(pick(g, 0, 0, 1, 4))
		p.SPort, p.DPort = 0, 0
	case 47:
		p.SPort, p.DPort = 0, 0
	}
	return p
}

// family names the generator's family.
func (g *generator) family() (ruleset.Family, ruleset.Kind) {
	if g.v6 {
		return ruleset.IPv6, ruleset.IP6Tables
	}
	return ruleset.IPv4, ruleset.IPTables
}
