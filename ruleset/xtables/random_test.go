package xtables_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// pieces are parts of rules for iptables and ip6tables alike, each loadable
// by itself after -p tcp. A %d becomes a number, a %s one of a few words.
var pieces = []string{
	"! -i eth%d+", "-o eth%d.7", "--sport %d", "! --dport %d:65535", "--dport %d", "--syn", "! --tcp-flags SYN,ACK,FIN ACK", "--tcp-option 8",
	"-m multiport --dports %d,10:2%d,http", "-m limit --limit %d/min", "-m limit --limit %d/hour --limit-burst %d",
	"-m limit --limit %d/s", "-m limit --limit %d0/day", "-m hashlimit --hashlimit-upto %d/min --hashlimit-name h%d --hashlimit-mode srcip",
	"-m hashlimit --hashlimit-above %d/hour --hashlimit-burst %d --hashlimit-name h%d", "-m hashlimit --hashlimit-upto %dkb/s --hashlimit-name h%d",
	"-m hashlimit --hashlimit-upto %d00b/s --hashlimit-name h%d --hashlimit-htable-expire %d", "-m statistic --mode random --probability 0.%d",
	"-m statistic --mode nth --every %d00000 --packet %d", "-m mark --mark %d", "-m mark ! --mark 0x%d/%d", "-m connmark --mark %d/0xff",
	"-m conntrack --ctstate new,REL,snat", "-m conntrack --ctorigsrcport %d:65535", "-m conntrack --ctexpire %d", "-m state ! --state est,INVALID",
	"-m comment --comment \"%s %d's\"", "-m comment --comment %s", "-m string --string \"%s\" --algo bm --to %d", "-m string --hex-string \"%s|0%d|\" --algo kmp",
	"-m length --length %d:", "-m length ! --length 1:%d", "-m tos --tos %d/0x3f", "-m dscp --dscp 0x0%d", "-m recent --set --name n%d",
	"-m recent ! --rcheck --seconds %d --name n%d --rdest", "-m connlimit --connlimit-above %d", "-m connlimit ! --connlimit-above %d --connlimit-daddr",
	"-m quota --quota %d", "-m time --timestart 0:%d --timestop 23:%d", "-m time ! --monthdays 1,%d", "-m time --weekdays Mo,%d",
	"-m u32 --u32 \"%d&0xFF=%d,%d:70000\"", "-m pkttype --pkt-type mcast", "-m addrtype --src-type LOCAL", "-m owner --uid-owner %d-70000",
	"-m connbytes --connbytes %d --connbytes-dir reply --connbytes-mode avgpkt", "-m mac --mac-source 0:1:2:3:4:%d", "-m helper --helper %s",
	"-m tcpmss --mss %d:65535", "-m cpu --cpu %d", "-m physdev ! --physdev-in %s+", "-m policy --dir in --reqid %d",
	"-j LOG --log-prefix \"%s \" --log-level %d", "-j MARK --set-mark %d/0x0f", "-j MARK --and-mark %d", "-j CONNMARK --restore-mark --mask %d", "-j REJECT --reject-with tcp-r",
	"-j NFLOG --nflog-group %d --nflog-prefix %s", "-j NFQUEUE --queue-num %d", "-j NFQUEUE --queue-balance 0:9%d", "-j RETURN", "-g u", "-j u",
	"-j CLASSIFY --set-class %d:%d", "-j TOS --xor-tos %d", "-j DSCP --set-dscp %d", "-j CONNMARK --set-xmark %d/%d",
}

var someWords = []string{"a", "b-c", "d_e", "f.g", "x$y", "ü"}

func randomRule(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("-A u -p tcp")
	seen := make(map[string]bool)
	for range 1 + r.IntN(4) {
		p := pieces[r.IntN(len(pieces))]
		key := strings.Fields(strings.TrimPrefix(p, "! "))[0]
		switch key {
		case "-m":
			key = strings.Join(strings.Fields(p)[:2], " ")
		case "-g":
			key = "-j"
		case "--syn":
			key = "--tcp-flags"
		}
		// After -m multiport, --dport means --dports.
		port := strings.HasSuffix(key, "port") && !strings.HasPrefix(key, "-m")
		if seen[key] || port && seen["-m multiport"] {
			continue
		}
		seen[key] = true
		for strings.Contains(p, "%d") {
			p = strings.Replace(p, "%d", fmt.Sprint(1+r.IntN(7)), 1)
		}
		for strings.Contains(p, "%s") {
			p = strings.Replace(p, "%s", someWords[r.IntN(len(someWords))], 1)
		}
		b.WriteString(" " + p)
	}
	return b.String()
}

// TestRandomRules holds the canonical form of rules put together at random
// to what the real programs save, in tables that take them all.
func TestRandomRules(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables} {
		for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			lines := []string{"*mangle", ":u - [0:0]", ":v - [0:0]"}
			for range 300 {
				rule := strings.Replace(randomRule(r), "-A u", "-A v", 1)
				if strings.Contains(rule, "-j REJECT") {
					continue // for the filter table alone
				}
				lines = append(lines, rule)
			}
			lines = append(lines, "COMMIT", "")
			text := strings.Join(lines, "\n")
			save, err := roundTrip(kind, backend, []byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			tables, err := xtables.Parse(kind, backend, "random", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range differences(plain(save), string(xtables.Format(tables))) {
				t.Errorf("%s %s:\n- %s\n+ %s", kind, backend, d.want, d.got)
			}
		}
	}
}
