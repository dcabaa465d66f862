package nft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
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
	b.WriteString(braced(t.clauses()))
	b.WriteByte('\n')
	for _, c := range t.chains {
		fmt.Fprintf(b, "add chain %s %s%s\n", at, c.name, braced(c.clauses()))
	}
	for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
		for _, o := range list {
			fmt.Fprintf(b, "add %s %s %s%s\n", o.kind, at, o.name, braced(o.clauses()))
		}
	}
	for _, s := range t.sets {
		if texts := s.elementTexts(); len(texts) > 0 {
			fmt.Fprintf(b, "add element %s %s {\n%s\n}\n", at, s.name, strings.Join(texts, ",\n"))
		}
	}
	for _, c := range t.chains {
		for _, r := range c.rules {
			expr, _ := r.def["expr"].([]any)
			for _, e := range expr {
				splitRanges(e)
			}
			r.memo = ""
			fmt.Fprintf(b, "add rule %s %s %s\n", at, c.name, r.text())
		}
	}
}

// clauses returns what stands between the braces of a table's declaration.
func (t *table) clauses() []string {
	var clauses []string
	if c, ok := t.def["comment"]; ok {
		clauses = append(clauses, "comment "+quote(c))
	}
	if flags := flagWords(t.def["flags"]); flags != "" {
		clauses = append(clauses, "flags "+flags)
	}
	return clauses
}

// braced writes clauses between braces, or nothing.
func braced(clauses []string) string {
	if len(clauses) == 0 {
		return ""
	}
	return " { " + strings.Join(clauses, "; ") + "; }"
}

// clauses returns a chain's declaration.
func (c *chain) clauses() []string {
	var clauses []string
	if hook := c.hookText(); hook != "" {
		clauses = append(clauses, hook)
		if policy := words(c.def["policy"], " "); policy != "" {
			clauses = append(clauses, "policy "+policy)
		}
		if flags := flagWords(c.def["flags"]); flags != "" {
			clauses = append(clauses, "flags "+flags)
		}
	}
	if comment, ok := c.def["comment"]; ok {
		clauses = append(clauses, "comment "+quote(comment))
	}
	return clauses
}

// splitRanges makes two elements of an anonymous set's only one, if it is a
// range. nft merges neighbours into one range in the kernel, so { 22, 23 } is
// listed as { 22-23 }; but of a set with one element it makes a comparison.
func splitRanges(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			splitRanges(e)
		}
	case object:
		for k, e := range v {
			l, ok := e.([]any)
			if k != "set" || !ok || len(l) != 1 {
				splitRanges(e)
				continue
			}
			if low, rest, ok := split(l[0]); ok {
				v[k] = []any{low, rest}
			}
		}
	}
}

// split returns the first element of a range or network and the range of the
// others.
func split(v any) (low, rest any, ok bool) {
	o, _ := v.(object)
	if p, isPrefix := prefixOf(o); isPrefix {
		if p.Bits() >= p.Addr().BitLen() {
			return nil, nil, false
		}
		half := p.Addr().AsSlice()
		half[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
		second, _ := netip.AddrFromSlice(half)
		bits := json.Number(strconv.Itoa(p.Bits() + 1))
		return object{"prefix": object{"addr": p.Addr().String(), "len": bits}},
			object{"prefix": object{"addr": second.String(), "len": bits}}, true
	}
	ends, _ := o["range"].([]any)
	if len(ends) != 2 {
		return nil, nil, false
	}
	switch from := ends[0].(type) {
	case json.Number:
		n, err := strconv.ParseUint(string(from), 10, 63)
		if err != nil {
			return nil, nil, false
		}
		return from, after(json.Number(strconv.FormatUint(n+1, 10)), ends[1]), true
	case string:
		a, err := netip.ParseAddr(from)
		if err != nil || !a.Next().IsValid() {
			return nil, nil, false
		}
		return from, after(a.Next().String(), ends[1]), true
	}
	return nil, nil, false
}

// after returns the range between two values, or the one if they are equal.
func after(from, to any) any {
	if from == to {
		return from
	}
	return object{"range": []any{from, to}}
}
