package lab

import (
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// tableKey names a table of a backend.
type tableKey struct {
	backend ruleset.Backend
	family  ruleset.Family
	name    string
}

// book finds a snapshot's rules by what the kernel tells.
type book struct{ tables map[tableKey]*ruleset.Table }

func newBook(s *ruleset.Snapshot) *book {
	b := &book{tables: map[tableKey]*ruleset.Table{}}
	for i := range s.Tables {
		t := &s.Tables[i]
		b.tables[tableKey{t.Backend, t.Family, t.Name}] = t
	}
	return b
}

// xtablesNames are the tables of the iptables programs. A snapshot leaves out
// those that do nothing; packets meet them all the same.
var xtablesNames = []string{"raw", "mangle", "nat", "filter", "security"}

// find returns the table and chain that an event is of; own is false for what
// is not the snapshot's.
func (b *book) find(e *netfilter.TraceEvent) (t *ruleset.Table, c *ruleset.Chain, own bool) {
	t = b.tables[tableKey{e.Backend, e.Family, e.Table}]
	if t == nil {
		return nil, nil, e.Backend == ruleset.Legacy || e.Family != ruleset.Inet && slices.Contains(xtablesNames, e.Table)
	}
	return t, t.Chain(e.Chain), true
}

// hooks are the chains of iptables that hang on hooks.
var hooks = map[string]string{"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output",
	"POSTROUTING": "postrouting"}

// hookOf returns the hook that a chain hangs on, "" for a user chain.
func hookOf(t *ruleset.Table, c *ruleset.Chain, name string) string {
	switch {
	case t == nil:
		return hooks[name]
	case c == nil || !c.Builtin():
		return ""
	case !t.Native:
		return hooks[name]
	}
	// "type filter hook input priority 0"
	words := strings.Fields(c.Hook)
	if i := slices.Index(words, "hook"); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// hop makes a hop of an event.
func (b *book) hop(e *netfilter.TraceEvent, t *ruleset.Table, c *ruleset.Chain) Hop {
	h := Hop{Backend: e.Backend, Family: e.Family, Table: e.Table, Chain: e.Chain, Kind: HopKind(e.Kind),
		Verdict: e.Verdict, To: e.To, Mark: e.Mark}
	if e.Backend == ruleset.Legacy && e.Kind != netfilter.TraceRule && c != nil && e.Rule <= len(c.Rules) {
		h.Kind = HopRule // trace_packet of ip_tables.c takes a bare verdict for the chain's end
	}
	if h.Kind == HopPolicy && h.Verdict == "" && c != nil {
		h.Verdict = strings.ToLower(c.Policy)
	}
	if h.Kind != HopRule {
		return h
	}
	h.Rule = e.Rule
	if c == nil || h.Rule < 1 || h.Rule > len(c.Rules) {
		return h
	}
	r := &c.Rules[h.Rule-1]
	h.Text, h.Source, h.Line = r.Text, r.Source.String(), r.Line
	if e.Backend == ruleset.Legacy {
		h.Verdict, h.To = verdictOf(r.Text, t)
	}
	return h
}

// verdicts are what the targets of iptables-extensions(8) end in that always
// end in the same.
var verdicts = map[string]string{"ACCEPT": "accept", "DROP": "drop", "RETURN": "return", "QUEUE": "queue", "NFQUEUE": "queue",
	"REJECT": "drop", "DNAT": "accept", "SNAT": "accept", "MASQUERADE": "accept", "REDIRECT": "accept", "NETMAP": "accept"}

// verdictOf reads what a rule of a legacy table does from its text.
func verdictOf(text string, t *ruleset.Table) (verdict, to string) {
	option, target := targetOf(text)
	switch {
	case t.Chain(target) != nil && option == "-g":
		return "goto", target
	case t.Chain(target) != nil:
		return "jump", target
	case option == "":
		return "continue", ""
	}
	return verdicts[target], ""
}

// targetOf returns -j or -g and what follows it, outside quotes.
func targetOf(text string) (option, target string) {
	quoted := false
	var words []string
	from := 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ' ' && !quoted:
			words = append(words, text[from:i])
			from = i + 1
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		}
	}
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "-j" || w == "-g" {
			return w, words[i+1]
		}
	}
	return "", ""
}
