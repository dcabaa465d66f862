package nft

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// normalize drops what changes without anybody's doing from an expression, and
// sorts the elements of anonymous sets.
func normalize(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = normalize(v[i])
		}
		return v
	case object:
		for k, e := range v {
			v[k] = normalizeMember(k, normalize(e))
		}
		return v
	}
	return v
}

func normalizeMember(key string, v any) any {
	o, isObject := v.(object)
	switch key {
	case "counter":
		if isObject && only(o, "packets", "bytes") {
			return nil
		}
	case "quota":
		if isObject {
			delete(o, "used")
			delete(o, "used_unit")
		}
	case "last":
		if isObject && only(o, "used") {
			return nil
		}
	case "elem":
		if isObject {
			delete(o, "expires")
		}
	case "set":
		if list, ok := v.([]any); ok {
			slices.SortStableFunc(list, compareElements)
		}
	}
	return v
}

// normalizeObject does the same to a stateful object's declaration.
func normalizeObject(kind string, def object) {
	switch kind {
	case "counter":
		// nft takes a counter's values as its initial ones.
		delete(def, "packets")
		delete(def, "bytes")
	case "quota":
		delete(def, "used")
	}
}

func only(o object, keys ...string) bool {
	for k := range o {
		if !slices.Contains(keys, k) {
			return false
		}
	}
	return true
}

// compareElements orders elements by value: numbers and addresses as such,
// networks by address and length, concatenations part by part, map entries by
// key.
func compareElements(a, b any) int {
	a, b = elementKey(a), elementKey(b)
	la, aList := a.([]any)
	lb, bList := b.([]any)
	if aList && bList {
		if c := slices.CompareFunc(la, lb, compareElements); c != 0 {
			return c
		}
		return 0
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
	return strings.Compare(compact(a), compact(b))
}

// elementKey returns what an element is sorted by.
func elementKey(v any) any {
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

// rank classes a simple value and returns it in comparable form.
func rank(v any) (int, any) {
	switch v := v.(type) {
	case json.Number:
		return 0, v
	case string:
		if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
			return 1, netip.PrefixFrom(a, a.BitLen())
		}
	case object:
		if p, ok := prefixOf(v); ok {
			return 1, p
		}
	case []any:
		if len(v) > 0 {
			return rank(elementKey(v[0]))
		}
	}
	return 2, nil
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
