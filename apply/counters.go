package apply

import (
	"bytes"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// counters are the packet and byte counters of one kind and backend, as
// "packets:bytes". Copies of one rule have theirs in order.
type counters struct {
	rules  map[string][]string // by table, chain and rule
	chains map[string]string   // by table and chain
}

// countersOf reads the counters of one kind and backend from raw dumps. Of two
// dumps of one kind the first counts. A dump that is, counters aside, the one
// of like needs no parsing.
func countersOf(raw []ruleset.Dump, kind ruleset.Kind, backend ruleset.Backend, like *ruleset.Snapshot) (*counters, error) {
	n := &counters{rules: map[string][]string{}, chains: map[string]string{}}
	for _, d := range raw {
		if d.Kind != kind || d.Backend != backend {
			continue
		}
		if text := bare(d); text != nil && holds(like, d, text) {
			n.scan(d.Text)
			continue
		}
		tables, err := xtables.Parse(kind, backend, d.Name(), d.Text)
		if err != nil {
			return nil, err
		}
		lines := bytes.Split(d.Text, []byte("\n"))
		for _, t := range tables {
			for _, c := range t.Chains {
				k := t.Name + " " + c.Name
				if c.Line > 0 && c.Line <= len(lines) && n.chains[k] == "" {
					n.chains[k] = bracketed(string(lines[c.Line-1]))
				}
				for _, r := range c.Rules {
					if v := bracketed(r.Raw); v != "" {
						k := strings.TrimRight(t.Name+" -A "+c.Name+" "+r.Text, " ")
						n.rules[k] = append(n.rules[k], v)
					}
				}
			}
		}
	}
	return n, nil
}

// scan reads the counters of a save of iptables whose rules are canonical.
func (n *counters) scan(text []byte) {
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			name, _, _ := strings.Cut(line[1:], " ")
			if k := table + " " + name; n.chains[k] == "" {
				n.chains[k] = bracketed(line)
			}
		case strings.HasPrefix(line, "["):
			if v, rule, ok := strings.Cut(line[1:], "] "); ok {
				k := strings.TrimRight(table+" "+rule, " ")
				n.rules[k] = append(n.rules[k], v)
			}
		}
	}
}

// emptyTables returns the xtables tables of raw dumps that have nothing in them.
func emptyTables(raw []ruleset.Dump) (map[tableKey]ruleset.Table, error) {
	out := map[tableKey]ruleset.Table{}
	for _, d := range raw {
		if d.Kind.Family() == "" {
			continue
		}
		tables, err := xtables.Parse(d.Kind, d.Backend, d.Name(), d.Text)
		if err != nil {
			return nil, err
		}
		for i := range tables {
			if nothing(&tables[i]) {
				out[keyOf(&tables[i])] = tables[i]
			}
		}
	}
	return out, nil
}

// bracketed returns the counters of a chain's or rule's line in a save: the
// rule's stand first, the chain's last, in brackets.
func bracketed(line string) string {
	line = strings.TrimRight(line, " \r")
	if rest, ok := strings.CutPrefix(line, "["); ok {
		v, _, _ := strings.Cut(rest, "]")
		return v
	}
	if rest, ok := strings.CutSuffix(line, "]"); ok && strings.HasPrefix(line, ":") {
		return rest[strings.LastIndexByte(rest, '[')+1:]
	}
	return ""
}

// render returns a canonical dump with counters in the form that the kind's
// restore reads them, and with other names for the sets in stand.
func render(kind ruleset.Kind, text []byte, n *counters, stand map[string]string) []byte {
	var out bytes.Buffer
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			if name, _, ok := strings.Cut(line[1:], " "); ok {
				if v := n.chains[table+" "+name]; v != "" {
					line = strings.TrimSuffix(line, "[0:0]") + "[" + v + "]"
				}
			}
		case strings.HasPrefix(line, "-A "):
			k := strings.TrimRight(table+" "+line, " ")
			line = standIn(line, stand)
			if q := n.rules[k]; len(q) > 0 {
				n.rules[k] = q[1:]
				line = withCounters(kind, line, q[0])
			}
		}
		out.WriteString(line + "\n")
	}
	return out.Bytes()
}

// withCounters puts counters on a rule. iptables-restore reads them ahead of
// it; those of arptables and ebtables pass that by, but take the option -c.
func withCounters(kind ruleset.Kind, line, v string) string {
	if kind == ruleset.IPTables || kind == ruleset.IP6Tables {
		return "[" + v + "] " + line
	}
	p, b, _ := strings.Cut(v, ":")
	return line + " -c " + p + " " + b
}

// standIn replaces set names in a rule.
func standIn(line string, stand map[string]string) string {
	if len(stand) == 0 || len(setsOf(line)) == 0 {
		return line
	}
	w := words(line)
	for i := 1; i < len(w); i++ {
		for _, o := range setOptions {
			if n := stand[w[i]]; n != "" && w[i-1] == o {
				w[i] = n
			}
		}
	}
	return strings.Join(w, " ")
}
