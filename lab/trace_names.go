package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// rulesOf yields the rules that packets of a family may meet, each with its
// table and chain.
func rulesOf(s *ruleset.Snapshot, family ruleset.Family, yield func(*ruleset.Table, *ruleset.Chain, *ruleset.Rule)) {
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Family != family && t.Family != ruleset.Inet {
			continue
		}
		for j := range t.Chains {
			for k := range t.Chains[j].Rules {
				yield(t, &t.Chains[j], &t.Chains[j].Rules[k])
			}
		}
	}
}

// namedInterfaces returns the interfaces that rules name, those that packets
// leave by and those that they enter by, in order. For a name with + or * at its
// end stands one that fits.
func namedInterfaces(s *ruleset.Snapshot, family ruleset.Family) (leaves, enters []string) {
	add := func(list *[]string, name string) {
		if rest, ok := strings.CutSuffix(name, "+"); ok {
			name = rest + "0"
		} else if rest, ok := strings.CutSuffix(name, "*"); ok {
			name = rest + "0"
		}
		if len(name) < 16 && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	eachInterface(s, family, func(name string, leaving bool) {
		if leaving {
			add(&leaves, name)
		} else {
			add(&enters, name)
		}
	})
	return leaves, enters
}

// eachInterface yields the interfaces that rules name, as they name them.
func eachInterface(s *ruleset.Snapshot, family ruleset.Family, yield func(name string, leaving bool)) {
	add := func(name string, leaving bool) {
		name = strings.Trim(name, `"`)
		if name != "" && name != "!=" && name[0] != '{' && name[0] != '@' {
			yield(name, leaving)
		}
	}
	rulesOf(s, family, func(t *ruleset.Table, c *ruleset.Chain, r *ruleset.Rule) {
		words := strings.Fields(r.Text)
		for i, w := range words[:max(len(words)-1, 0)] {
			next := words[i+1]
			if next == "!=" && i+2 < len(words) {
				next = words[i+2]
			}
			switch {
			case !t.Native && w == "-o", t.Native && (w == "oifname" || w == "oif"):
				add(next, true)
			case !t.Native && w == "-i", t.Native && (w == "iifname" || w == "iif"):
				add(next, false)
			}
		}
	})
}

// forwards returns why the firewall is taken for one that forwards, "" if it is
// not.
func forwards(s *ruleset.Snapshot, family ruleset.Family) string {
	for _, c := range s.Sysctls {
		if c.Value != "0" && (family == ruleset.IPv4 && c.Key == "net.ipv4.ip_forward" ||
			family == ruleset.IPv6 && c.Key == "net.ipv6.conf.all.forwarding") {
			return c.Key + " is " + c.Value
		}
	}
	var rules, translation string
	rulesOf(s, family, func(t *ruleset.Table, c *ruleset.Chain, r *ruleset.Rule) {
		_, target := targetOf(r.Text)
		hook := hookOf(t, c, c.Name)
		switch {
		case hook == "forward":
			rules = fmt.Sprintf("%s %s has rules", t.Name, c.Name)
		case !t.Native && (target == "DNAT" || target == "SNAT" || target == "MASQUERADE") && hook != "output":
			translation = fmt.Sprintf("%s %s has %s", t.Name, c.Name, target)
		}
	})
	return cmp.Or(rules, translation)
}

// namedOwn returns why an address is taken for the firewall's own, "" if it is
// not: rules for what comes in name it.
func namedOwn(s *ruleset.Snapshot, family ruleset.Family, addr netip.Addr) (why string) {
	rulesOf(s, family, func(t *ruleset.Table, c *ruleset.Chain, r *ruleset.Rule) {
		word := map[string]string{"input": "-d", "output": "-s"}[hookOf(t, c, c.Name)]
		if t.Native {
			word = map[string]string{"-d": "daddr", "-s": "saddr"}[word]
		}
		words := strings.Fields(r.Text)
		for i := range words[:max(len(words)-1, 0)] {
			if word != "" && words[i] == word && (i == 0 || words[i-1] != "!") &&
				strings.TrimSuffix(words[i+1], fmt.Sprintf("/%d", addr.BitLen())) == addr.String() && why == "" {
				why = fmt.Sprintf("a rule of %s %s says %s %s", t.Name, c.Name, word, addr)
			}
		}
	})
	return why
}
