package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrListings says that two listings are not of one ruleset.
var ErrListings = errors.New("the JSON and the text listing of nft are not of the same ruleset")

// Merge returns the canonical document of nft -j list ruleset, completed with
// what only nft -s list ruleset says. Both must come from one state of the
// kernel; it returns an error that wraps ErrListings if they do not fit.
//
// nft 1.0.6 prints JSON that lacks the devices of chains and their offload
// flag, the comments of tables and chains, the flags dynamic and auto-merge
// and the typeof of sets, the offload flag and counter of flowtables, the
// second statement of set elements, what wildcard interface names map to, and
// parts of some statements; and it has some statements as text alone. Merge
// adds the former as members of their own; a rule or element whose JSON does
// not render as nft prints it, it replaces by its text: a rule's expr is then
// one string, an element is {"text": "…"}.
//
// nft -j -f knows none of these additions. Script has them all.
func Merge(file string, json, listing []byte) ([]byte, error) {
	doc, err := read(file, json)
	if err != nil {
		return nil, err
	}
	tables := parseListing(string(listing))
	if err := doc.covers(tables); err != nil {
		return nil, err
	}
	for _, t := range doc.tables {
		i := slices.IndexFunc(tables, func(l *listedTable) bool { return l.family == t.family && l.name == t.name })
		if i < 0 {
			return nil, fmt.Errorf("%w: table %s %s", ErrListings, t.family, t.name)
		}
		if err := t.merge(tables[i]); err != nil {
			return nil, fmt.Errorf("%w: table %s %s: %w", ErrListings, t.family, t.name, err)
		}
	}
	if err := doc.check(file); err != nil {
		return nil, err
	}
	doc.order()
	return doc.format(), nil
}

// covers returns an error unless every table of the listing is one of the
// document's, and each but once: a string of several lines could look like
// the rest of another table.
func (doc *document) covers(tables []*listedTable) error {
	seen := map[[2]string]bool{}
	for _, l := range tables {
		at := [2]string{l.family, l.name}
		known := doc.table(l.family, l.name) != nil || slices.ContainsFunc(doc.owned, func(t *table) bool {
			return t.family == l.family && t.name == l.name
		})
		if seen[at] || !known {
			return fmt.Errorf("%w: table %s %s", ErrListings, l.family, l.name)
		}
		seen[at] = true
	}
	return nil
}

func (t *table) merge(l *listedTable) error {
	if c, ok := clause(l.lines, "comment"); ok {
		t.def["comment"] = unquote(c)
	}
	if flags, ok := clause(l.lines, "flags"); ok {
		t.def["flags"] = flags // table_flags_json prints freed memory for one flag
	}
	seen := 0
	for _, b := range l.blocks {
		var err error
		switch b.kind {
		case "chain":
			c := t.chain(b.name)
			if c == nil {
				return fmt.Errorf("chain %s", b.name)
			}
			seen++
			err = c.merge(b)
		case "set", "map", "meter":
			s := t.set(b.name)
			if s == nil {
				return fmt.Errorf("%s %s", b.kind, b.name)
			}
			seen++
			err = s.mergeSet(b)
		case "flowtable":
			for _, f := range t.flowtables {
				if f.name == b.name {
					f.mergeFlowtable(b)
				}
			}
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", b.kind, b.name, err)
		}
	}
	if seen != len(t.chains)+len(t.sets) {
		return errors.New("a chain or set is missing")
	}
	return nil
}

func (c *chain) merge(b *listedBlock) error {
	lines := b.lines
	if len(lines) > 0 && strings.HasPrefix(lines[0], `comment "`) {
		c.def["comment"] = unquote(strings.TrimPrefix(lines[0], "comment "))
		lines = lines[1:]
	}
	if c.hook() != "" {
		if len(lines) == 0 || !strings.HasPrefix(lines[0], "type ") {
			return errors.New("it has no hook")
		}
		c.mergeHook(lines[0])
		lines = lines[1:]
	}
	if len(lines) != len(c.rules) {
		return fmt.Errorf("%d rules, and %d", len(c.rules), len(lines))
	}
	for i, r := range c.rules {
		r.merge(lines[i])
	}
	return nil
}

// mergeHook takes devices and flags from "type filter hook ingress device
// "lo" priority 0; policy accept; flags offload;".
func (c *chain) mergeHook(line string) {
	if _, rest, ok := strings.Cut(line, ` device "`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		c.def["dev"] = name
	} else if _, rest, ok := strings.Cut(line, " devices = { "); ok {
		names, _, _ := strings.Cut(rest, " }")
		c.def["dev"] = stringList(names)
	}
	if _, rest, ok := strings.Cut(line, "; flags "); ok {
		flags, _, _ := strings.Cut(rest, ";")
		c.def["flags"] = flags
	}
}

func stringList(s string) []any {
	out := []any{}
	for name := range strings.SplitSeq(s, ",") {
		out = append(out, unquote(strings.TrimSpace(name)))
	}
	return out
}

// merge replaces the rule's expressions by what nft prints, if that is not how
// they render.
func (r *rule) merge(line string) {
	line = normalizeText(line)
	text := r.text()
	if line == text || sameElements(line, text) {
		return
	}
	if c, ok := r.def["comment"].(string); ok {
		line = strings.TrimSuffix(line, ` comment "`+c+`"`)
	}
	r.def["expr"], r.memo = []any{line}, ""
}

// sameElements says whether two rules are equal but for the order of the
// elements of their anonymous sets.
func sameElements(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	return sortBraces(a) == sortBraces(b)
}

// sortBraces sorts the elements between the braces of a rule.
func sortBraces(s string) string {
	open := strings.Index(s, "{ ")
	if open < 0 {
		return s
	}
	depth, quoted := 0, false
	for i := open; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				elems := splitElements(s[open+1 : i])
				slices.Sort(elems)
				return s[:open] + "{ " + strings.Join(elems, ", ") + " }" + sortBraces(s[i+1:])
			}
		}
	}
	return s
}

// mergeSet takes typeof, flags and elements.
func (o *thing) mergeSet(b *listedBlock) error {
	if typ, ok := clause(b.lines, "typeof"); ok {
		o.def["typeof"] = typ
	}
	flags, _ := clause(b.lines, "flags")
	for _, f := range strings.Split(flags, ",") {
		have := list(o.def["flags"])
		if f == "dynamic" && !slices.Contains(have, any(f)) {
			o.def["flags"] = append(slices.Clone(have), f)
		}
	}
	if _, ok := clause(b.lines, "auto-merge"); ok {
		o.def["auto-merge"] = true
	}
	rest, ok := clause(b.lines, "elements =")
	if !ok {
		if len(o.elems) > 0 {
			return errors.New("it has no elements")
		}
		return nil
	}
	texts := splitElements(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(rest), "{"), "}"))
	if len(texts) != len(o.elems) {
		return fmt.Errorf("%d elements, and %d", len(o.elems), len(texts))
	}
	printed := map[string]int{}
	for _, e := range texts {
		printed[e]++
	}
	var unsaid []int
	for i, e := range o.elementTexts() {
		if printed[e] > 0 {
			printed[e]--
		} else {
			unsaid = append(unsaid, i)
		}
	}
	// What the JSON got wrong is what nft prints and nothing renders as.
	for _, e := range texts {
		if printed[e] > 0 && len(unsaid) > 0 {
			printed[e]--
			o.elems[unsaid[0]] = object{"text": normalizeText(e)}
			unsaid = unsaid[1:]
		}
	}
	return nil
}

func (o *thing) mergeFlowtable(b *listedBlock) {
	if flags, ok := clause(b.lines, "flags"); ok {
		o.def["flags"] = flags
	}
	if _, ok := clause(b.lines, "counter"); ok {
		o.def["counter"] = true
	}
}
