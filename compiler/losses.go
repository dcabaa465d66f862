package compiler

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// A loss that comparing kernel objects cannot show happens before the kernel:
// iptables-nft 1.8.9 takes "! --dport 0:65535", which matches nothing, for no
// option at all, and makes a rule that matches everything.
//
// So the rules that the script's calls make, executed in memory, are held
// against those that were captured. Those that are equal are proven. Of one
// that is not, and has what a tool may lose, the rule is made once more, alone,
// and must come back whole. What cannot be made again and was not proven fails
// the build: silence would be an open firewall.

// lossy matches options that tools are known to lose: of NFLOG the range
// (iptables-nft 1.8.9), of arptables the masks, and the negation of one.
var lossy = regexp.MustCompile(`--nflog-r|--h-length|--opcode|--h-type|--proto-type`)

// textOptions are those whose value is any text.
var textOptions = []string{"--comment", "--log-prefix", "--nflog-prefix", "--ulog-prefix", "--string", "--hex-string", "--label"}

// negations counts the negations of arguments that are not understood.
func negations(args []string) int {
	n := 0
	for i, a := range args {
		if a == "!" && (i == 0 || !slices.Contains(textOptions, args[i-1])) {
			n++
		}
	}
	return n
}

// negated counts the negations of a canonical rule.
func negated(kind ruleset.Kind, text string) int {
	spec, err := xtables.ParseRule(kind, text)
	if err != nil {
		words, _ := xtables.Words(text)
		return negations(words)
	}
	n := 0
	count := func(options []xtables.Option) {
		for _, o := range options {
			if o.Negated {
				n++
			}
		}
	}
	count(spec.Header)
	for _, m := range spec.Matches {
		count(m.Options)
	}
	count(spec.Target.Options)
	return n
}

// risky says whether a rule has something that a tool may lose.
func risky(kind ruleset.Kind, text string) bool {
	return lossy.MatchString(text) || strings.Contains(text, "!") && negated(kind, text) > 0
}

// suspect is a rule whose loss is to be looked for by making it again.
type suspect struct {
	addition
	text string // canonical; "" if only words are known
}

// lostPart returns the first call whose rule the tools lose a part of, or nil.
func (s *stage) lostPart(ctx context.Context, snap *ruleset.Snapshot, h *history) (*loss, error) {
	var first *finding
	for _, prog := range slices.SortedFunc(maps.Keys(h.programs), compareProgram) {
		p := h.programs[prog]
		for _, call := range p.unkept {
			first = first.or(origin{call: call}, "what it read was not kept, so nothing holds it against what the tools save")
		}
		lost, suspects := p.compare(snap)
		first = first.or(lost.from, lost.what)
		if len(suspects) == 0 {
			continue
		}
		remade, err := s.remake(ctx, snap, p, suspects)
		if err != nil {
			return nil, err
		}
		for i := range suspects {
			if what := suspects[i].verdict(p.kind, remade[i]); what != "" {
				first = first.or(suspects[i].origin, what)
			}
		}
	}
	if first == nil {
		return nil, nil
	}
	return &loss{Call: first.from.call, What: first.what}, nil
}

func compareProgram(a, b program) int {
	return strings.Compare(string(a.kind)+string(a.backend), string(b.kind)+string(b.backend))
}

// finding is a loss and where it comes from.
type finding struct {
	from origin
	what string
}

// or returns the earlier of two.
func (f *finding) or(from origin, what string) *finding {
	if what == "" || f != nil && (f.from.call < from.call || f.from.call == from.call && f.from.line <= from.line) {
		return f
	}
	return &finding{from, what}
}

// lostText says what is lost.
func lostText(from origin, part, became string) string {
	where := ""
	if from.line > 0 {
		where = fmt.Sprintf(" in line %d of its input", from.line)
	}
	return fmt.Sprintf("%s%s is lost: the rule became %q", part, where, became)
}

// compare holds what the calls made against what was captured. It returns the
// first rule that plainly lost a part, and those that must be made again.
func (p *past) compare(snap *ruleset.Snapshot) (lost finding, suspects []suspect) {
	captured := map[string]*ruleset.Table{}
	for i := range snap.Tables {
		if t := &snap.Tables[i]; !t.Native && t.Family.XTables() == p.kind && t.Backend == p.backend {
			captured[t.Name] = t
		}
	}
	var first *finding
	for name, made := range p.tables {
		if !p.certain(name) {
			continue
		}
		for i := range made.Chains {
			c := &made.Chains[i]
			l, more := p.compareChain(name, c, chainRules(captured[name], c.Name))
			first = first.or(l.from, l.what)
			suspects = append(suspects, more...)
		}
	}
	texts := map[string]map[string]bool{}
	for name, t := range captured {
		texts[name] = map[string]bool{}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				texts[name][r.Text] = true
			}
		}
	}
	for _, a := range p.added {
		if p.certain(a.table) {
			continue
		}
		if a.words != nil && (negations(a.words) > 0 || lossy.MatchString(strings.Join(a.words, " "))) {
			suspects = append(suspects, suspect{addition: a})
		}
		for _, text := range a.rules {
			if !texts[a.table][text] && risky(p.kind, text) &&
				!slices.ContainsFunc(chainRules(captured[a.table], a.chain), func(r ruleset.Rule) bool { return sameButNames(p.kind, text, r.Text) }) {
				suspects = append(suspects, suspect{a, text})
			}
		}
	}
	if first != nil {
		lost = *first
	}
	slices.SortStableFunc(suspects, func(a, b suspect) int {
		if a.call != b.call {
			return a.call - b.call
		}
		return a.line - b.line
	})
	return lost, suspects
}

func chainRules(t *ruleset.Table, chain string) []ruleset.Rule {
	if t == nil {
		return nil
	}
	for i := range t.Chains {
		if t.Chains[i].Name == chain {
			return t.Chains[i].Rules
		}
	}
	return nil
}

// compareChain looks at the rules of a chain that are not what was made.
func (p *past) compareChain(table string, made *ruleset.Chain, captured []ruleset.Rule) (lost finding, suspects []suspect) {
	counterpart, missing := matched(captured, made.Rules)
	var strange []string
	for i, k := range counterpart {
		if k < 0 {
			strange = append(strange, captured[i].Text)
		}
	}
	for _, k := range missing {
		r := &made.Rules[k]
		from := p.origin(r)
		if i := slices.IndexFunc(strange, func(text string) bool { return reduced(p.kind, r.Text, text) }); i >= 0 {
			part := "a part of the rule"
			if negated(p.kind, r.Text) > negated(p.kind, strange[i]) {
				part = "a negation"
			}
			return finding{from, lostText(from, part, strange[i])}, nil
		}
		if !risky(p.kind, r.Text) || slices.ContainsFunc(strange, func(text string) bool { return sameButNames(p.kind, r.Text, text) }) {
			continue
		}
		suspects = append(suspects, suspect{addition{origin: from, table: table, chain: made.Name}, r.Text})
	}
	return finding{}, suspects
}

// reduced says whether a rule became another by losing words. It is for rules
// of which every word is understood.
func reduced(kind ruleset.Kind, made, became string) bool {
	if len(became) >= len(made) {
		return false
	}
	spec, err := xtables.ParseRule(kind, made)
	if err != nil || spec.Target.Opaque || slices.ContainsFunc(spec.Matches, func(m xtables.Module) bool { return m.Opaque }) {
		return false
	}
	words, err := xtables.Words(made)
	rest, err2 := xtables.Words(became)
	if err != nil || err2 != nil {
		return false
	}
	for _, w := range words {
		if len(rest) > 0 && rest[0] == w {
			rest = rest[1:]
		}
	}
	return len(rest) == 0
}

// sameButNames says whether two rules are the same but for addresses, which a
// call may have given as names.
func sameButNames(kind ruleset.Kind, made, became string) bool {
	a, err := xtables.ParseRule(kind, made)
	if err != nil {
		return false
	}
	b, err := xtables.ParseRule(kind, became)
	if err != nil || len(a.Header) != len(b.Header) {
		return false
	}
	for i := range a.Header {
		x, y := &a.Header[i], &b.Header[i]
		if x.Name == y.Name && (x.Name == "-s" || x.Name == "-d") {
			x.Values, y.Values = nil, nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// verdict says what is lost of a suspect, "" if nothing is.
func (s *suspect) verdict(kind ruleset.Kind, r remade) string {
	if r.err != nil {
		if s.failed {
			return "" // it was refused then, too
		}
		where := ""
		if s.line > 0 {
			where = fmt.Sprintf("line %d of its input: ", s.line)
		}
		return fmt.Sprintf("%sit cannot be told whether it is saved whole: %v", where, r.err)
	}
	want := negations(s.words)
	if s.text != "" {
		want = negated(kind, s.text)
	}
	for _, text := range r.rules {
		if negated(kind, text) < want {
			return lostText(s.origin, "a negation", text)
		}
		if s.text != "" && lossy.MatchString(s.text) && text != s.text {
			return lostText(s.origin, "a part of the rule", text)
		}
	}
	return ""
}
