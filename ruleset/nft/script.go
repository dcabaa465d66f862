package nft

import (
	"bytes"
	"fmt"
	"strings"
)

// Script returns what Parse reads as a script for nft -f, one command a line
// and one element a line, to be loaded into an empty namespace.
//
// nft 1.0.6 loads more of its own JSON as text than as JSON: comments of sets,
// flags of tables, maps to concatenations, statements it can only print as
// text, expectations. What its JSON does not say at all is lost here as well.
func Script(file string, text []byte) ([]byte, error) {
	doc, err := read(file, text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, t := range doc.tables {
		t.script(&b)
	}
	return b.Bytes(), nil
}

func (t *table) script(b *bytes.Buffer) {
	at := t.family + " " + t.name
	fmt.Fprintf(b, "add table %s", at)
	if flags := words(t.def["flags"], ","); flags != "" {
		fmt.Fprintf(b, " { flags %s; }", flags)
	}
	b.WriteByte('\n')
	for _, c := range t.chains {
		fmt.Fprintf(b, "add chain %s %s%s\n", at, c.name, c.block())
	}
	for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
		for _, o := range list {
			fmt.Fprintf(b, "add %s %s %s", o.kind, at, o.name)
			if clauses := o.clauses(); len(clauses) > 0 {
				fmt.Fprintf(b, " { %s; }", strings.Join(clauses, "; "))
			}
			b.WriteByte('\n')
		}
	}
	for _, s := range t.sets {
		if texts := s.elementTexts(); len(texts) > 0 {
			fmt.Fprintf(b, "add element %s %s {\n%s\n}\n", at, s.name, strings.Join(texts, ",\n"))
		}
	}
	for _, c := range t.chains {
		for _, r := range c.rules {
			fmt.Fprintf(b, "add rule %s %s %s\n", at, c.name, r.text())
		}
	}
}

// block returns a base chain's declaration.
func (c *chain) block() string {
	hook := c.hookText()
	if hook == "" {
		return ""
	}
	if policy := words(c.def["policy"], " "); policy != "" {
		hook += "; policy " + policy
	}
	return " { " + hook + "; }"
}

// noteDynamic notes which sets rules add elements to.
func (t *table) noteDynamic() {
	for _, c := range t.chains {
		for _, r := range c.rules {
			expr, _ := r.def["expr"].([]any)
			for _, e := range expr {
				kind, v, ok := one(e)
				if !ok || kind != "set" && kind != "map" {
					continue
				}
				o, _ := v.(object)
				name, _ := o[kind].(string)
				if s := t.set(strings.TrimPrefix(name, "@")); s != nil {
					s.dynamic = true
				}
			}
		}
	}
}
