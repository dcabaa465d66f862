package nft

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// sortElements orders elements by value: numbers and addresses as such,
// networks by address and length, concatenations part by part, map entries by
// key. Two kinds of lists keep their order:
//
// Concatenations with ranges. The kernel matches them in the order in which
// they were added, and lists them so (nft_set_pipapo.c): of 192.0.2.1 . 80 and
// 192.0.2.0/24 . 80 the first decides.
//
// Names such as established. nft lists elements by value already, and knows
// the value behind the name, as this package does not.
//
// Flags that stand together, such as syn | ack, are in no order of nft's.
func sortElements(list []any) {
	if slices.ContainsFunc(list, func(e any) bool { kind, _, _ := one(elementKey(e)); return kind == "|" }) {
		slices.SortStableFunc(list, compareElements)
		return
	}
	for _, e := range list {
		switch key := elementKey(e).(type) {
		case string:
			if class, _ := rank(key); class == named {
				return
			}
		case object: // text, see Merge
			if kind, _, _ := one(key); kind == "text" {
				return
			}
		case []any:
			if isConcat(e) && slices.ContainsFunc(key, isRange) {
				return
			}
		}
	}
	slices.SortStableFunc(list, compareElements)
}

// isConcat says whether an element is a concatenation, and not a range or a
// list.
func isConcat(e any) bool {
	if pair, ok := e.([]any); ok && len(pair) > 0 {
		e = pair[0]
	}
	kind, v, ok := one(e)
	if kind == "elem" {
		o, _ := v.(object)
		kind, _, ok = one(o["val"])
	}
	return ok && kind == "concat"
}

// isRange says whether a part of a concatenation is a range or a network.
func isRange(v any) bool {
	kind, _, _ := one(v)
	return kind == "range" || kind == "prefix"
}

func compareElements(a, b any) int {
	if c := compareValues(elementKey(a), elementKey(b)); c != 0 {
		return c
	}
	return strings.Compare(compact(a), compact(b))
}

func compareValues(a, b any) int {
	la, aList := a.([]any)
	lb, bList := b.([]any)
	if aList && bList {
		return slices.CompareFunc(la, lb, func(a, b any) int { return compareValues(elementKey(a), elementKey(b)) })
	}
	ra, va := rank(a)
	rb, vb := rank(b)
	if ra != rb {
		return ra - rb
	}
	switch va := va.(type) {
	case netip.Prefix:
		vb := vb.(netip.Prefix)
		if c := va.Addr().Compare(vb.Addr()); c != 0 {
			return c
		}
		return va.Bits() - vb.Bits()
	case json.Number:
		return compareNumbers(va, vb.(json.Number))
	}
	if ra == unordered {
		return strings.Compare(compact(a), compact(b))
	}
	sa, _ := a.(string)
	sb, _ := b.(string)
	return strings.Compare(sa, sb)
}

// elementKey returns what an element is sorted by.
func elementKey(v any) any {
	if pair, ok := v.([]any); ok && len(pair) > 0 {
		v = pair[0] // an entry of a map
	}
	for {
		o, ok := v.(object)
		if !ok || len(o) != 1 {
			return v
		}
		switch {
		case o["elem"] != nil:
			e, ok := o["elem"].(object)
			if !ok {
				return v
			}
			v = e["val"]
		case o["concat"] != nil:
			v = o["concat"]
		case o["range"] != nil:
			v = o["range"]
		default:
			return v
		}
	}
}

// The classes of simple values, in canonical order.
const (
	numeric = iota
	address
	named
	unordered
	catchAll // the element *, which matches what no other does
)

// rank classes a simple value and returns it in comparable form.
func rank(v any) (int, any) {
	switch v := v.(type) {
	case json.Number:
		return numeric, v
	case string:
		if v == "*" {
			return catchAll, nil
		}
		if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
			return address, netip.PrefixFrom(a, a.BitLen())
		}
		return named, nil
	case object:
		if p, ok := prefixOf(v); ok {
			return address, p
		}
	case []any:
		if len(v) > 0 {
			return rank(elementKey(v[0]))
		}
	}
	return unordered, nil
}

// prefixOf reads {"prefix": {"addr": …, "len": …}}.
func prefixOf(o object) (netip.Prefix, bool) {
	p, ok := o["prefix"].(object)
	if !ok {
		return netip.Prefix{}, false
	}
	s, _ := p["addr"].(string)
	a, err := netip.ParseAddr(s)
	n, isNumber := p["len"].(json.Number)
	bits, errBits := n.Int64()
	if err != nil || a.Zone() != "" || !isNumber || errBits != nil || bits < 0 || bits > int64(a.BitLen()) {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, int(bits)), true
}

func compareNumbers(a, b json.Number) int {
	na, nb := strings.HasPrefix(string(a), "-"), strings.HasPrefix(string(b), "-")
	switch {
	case na && !nb:
		return -1
	case nb && !na:
		return 1
	case len(a) != len(b):
		if (len(a) < len(b)) != na {
			return -1
		}
		return 1
	case na:
		return strings.Compare(string(b), string(a))
	}
	return strings.Compare(string(a), string(b))
}
