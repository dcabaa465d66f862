package nft

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// document is a ruleset by table.
type document struct {
	tables []*table
	owned  []*table // those that were left out
}

// table is one table with what it holds.
type table struct {
	family, name string
	def          object
	line         int
	chains       []*chain
	objects      []*thing // counters, quotas, limits, ct objects, …
	sets         []*thing // sets and maps
	flowtables   []*thing
}

// chain is one chain with its rules.
type chain struct {
	name  string
	def   object
	rules []*rule
	line  int
}

// rule is one rule.
type rule struct {
	def  object
	line int
	memo string // see text
}

// thing is any other named object. elems are taken out of def.
type thing struct {
	kind, name string
	def        object
	line       int
	elems      []any
}

// kinds of objects in a listing, other than table, chain, rule.
var objectKinds = []string{"counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation",
	"synproxy", "secmark", "tunnel"}

// read parses a listing, without the tables that iptables programs own. No
// text at all is an empty ruleset.
func read(file string, text []byte) (*document, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return &document{}, nil
	}
	d, err := newDecoder(file, text)
	if err != nil {
		return nil, err
	}
	if err := d.expect('{'); err != nil {
		return nil, err
	}
	t, err := d.token()
	if err != nil {
		return nil, err
	}
	if t != "nftables" {
		return nil, d.errorf(`key %q: output of nft -j list ruleset has "nftables" alone`, fmt.Sprint(t))
	}
	if err := d.expect('['); err != nil {
		return nil, err
	}
	doc := &document{}
	for d.dec.More() {
		// The line is that of the object's end, and a canonical object's own.
		v, err := d.value(2)
		if err != nil {
			return nil, err
		}
		if err := doc.add(v, d.position()); err != nil {
			return nil, d.errorf("%v", err)
		}
	}
	if err := d.expect(']'); err != nil {
		return nil, err
	}
	if err := d.expect('}'); err != nil {
		return nil, err
	}
	if _, err := d.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, d.errorf("more text stands behind the JSON document")
	}
	doc.tables = slices.DeleteFunc(doc.tables, func(t *table) bool {
		if t.owned() {
			doc.owned = append(doc.owned, t)
			return true
		}
		return false
	})
	if err := doc.check(file); err != nil {
		return nil, err
	}
	doc.order()
	return doc, nil
}

// add takes one object of the listing.
func (doc *document) add(v any, line int) error {
	o, ok := v.(object)
	if !ok || len(o) != 1 {
		return fmt.Errorf("an object with one key must stand here, not %.60s", compact(v))
	}
	var kind string
	for k := range o {
		kind = k
	}
	def, ok := o[kind].(object)
	if !ok {
		return fmt.Errorf("%s is not an object", kind)
	}
	if kind == "metainfo" {
		return nil
	}
	delete(def, "handle")
	family, err := str(def, "family")
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if !slices.Contains(families, family) {
		return fmt.Errorf("%s: family %q is not known", kind, family)
	}
	if kind == "table" {
		name, err := str(def, "name")
		if err != nil {
			return fmt.Errorf("table: %w", err)
		}
		if doc.table(family, name) != nil {
			return fmt.Errorf("table %s %s occurs twice", family, name)
		}
		doc.tables = append(doc.tables, &table{family: family, name: name, def: def, line: line})
		return nil
	}
	name, err := str(def, "table")
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	t := doc.table(family, name)
	if t == nil {
		return fmt.Errorf("%s of table %s %s, which is not declared", kind, family, name)
	}
	return t.add(kind, def, line)
}

var families = []string{"ip", "ip6", "inet", "arp", "bridge", "netdev"}

func (doc *document) table(family, name string) *table {
	for i := len(doc.tables) - 1; i >= 0; i-- {
		if t := doc.tables[i]; t.family == family && t.name == name {
			return t
		}
	}
	return nil
}

// add takes one object of the table.
func (t *table) add(kind string, def object, line int) error {
	if kind == "rule" {
		return t.addRule(def, line)
	}
	name, err := str(def, "name")
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if kind == "element" {
		return t.addElements(name, def)
	}
	switch {
	case kind == "chain":
		if t.chain(name) != nil {
			return fmt.Errorf("chain %s occurs twice", name)
		}
		t.chains = append(t.chains, &chain{name: name, def: def, line: line})
	case kind == "set" || kind == "map" || kind == "meter":
		if t.set(name) != nil {
			return fmt.Errorf("%s %s occurs twice", kind, name)
		}
		s := &thing{kind: kind, name: name, def: def, line: line}
		t.sets = append(t.sets, s)
		return s.take(def)
	case kind == "flowtable":
		t.flowtables = append(t.flowtables, &thing{kind: kind, name: name, def: def, line: line})
	case slices.Contains(objectKinds, kind):
		normalizeObject(kind, def)
		t.objects = append(t.objects, &thing{kind: kind, name: name, def: def, line: line})
	default:
		return fmt.Errorf("%q is no object of a listing", kind)
	}
	return nil
}

func (t *table) addRule(def object, line int) error {
	name, err := str(def, "chain")
	if err != nil {
		return fmt.Errorf("rule: %w", err)
	}
	c := t.chain(name)
	if c == nil {
		return fmt.Errorf("rule of chain %s, which is not declared", name)
	}
	expr, ok := def["expr"].([]any)
	if !ok {
		return fmt.Errorf("rule of chain %s has no expressions", name)
	}
	for i := range expr {
		if text, ok := expr[i].(string); ok {
			expr[i] = normalizeText(text)
			continue
		}
		expr[i] = normalize(expr[i])
	}
	c.rules = append(c.rules, &rule{def: def, line: line})
	return nil
}

// addElements takes an element object, as Canonical writes it.
func (t *table) addElements(name string, def object) error {
	s := t.set(name)
	if s == nil {
		return fmt.Errorf("elements of set %s, which is not declared", name)
	}
	return s.take(def)
}

// take moves the elements out of a declaration.
func (s *thing) take(def object) error {
	v, ok := def["elem"]
	if !ok {
		return nil
	}
	elems, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s %s: elem is not an array", s.kind, s.name)
	}
	delete(def, "elem")
	for _, e := range elems {
		s.elems = append(s.elems, normalize(e))
	}
	return nil
}

func (t *table) chain(name string) *chain {
	// Rules come by chain: the last one asked for is the likeliest.
	for i := len(t.chains) - 1; i >= 0; i-- {
		if t.chains[i].name == name {
			return t.chains[i]
		}
	}
	return nil
}

func (t *table) set(name string) *thing {
	for _, s := range t.sets {
		if s.name == name {
			return s
		}
	}
	return nil
}

// str returns a string member that must be there.
func str(o object, key string) (string, error) {
	s, ok := o[key].(string)
	if !ok || s == "" {
		return "", fmt.Errorf("%s is missing or no string", key)
	}
	return s, nil
}
