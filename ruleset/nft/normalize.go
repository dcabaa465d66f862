package nft

import (
	"regexp"
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
			sortElements(list)
		}
	}
	return v
}

// state matches what a text statement holds of the kernel's counts.
var state = regexp.MustCompile(`( packets \d+ bytes \d+)|( used \d+ [km]?bytes)`)

// normalizeText does the same to a statement that nft's JSON has as text, such
// as a jump to an anonymous chain; it becomes one line. No string of nft's
// holds a quote.
func normalizeText(s string) string {
	parts := strings.Split(s, `"`)
	for i := 0; i < len(parts); i += 2 {
		text := state.ReplaceAllString(parts[i], "")
		// A rule of an anonymous chain ends with its line.
		text = newlines.ReplaceAllStringFunc(text, func(string) string { return "; " })
		parts[i] = blanks.ReplaceAllString(text, " ")
	}
	text := strings.TrimSpace(strings.Join(parts, `"`))
	return strings.ReplaceAll(text, "{; ", "{ ")
}

var (
	newlines = regexp.MustCompile(`\s*\n\s*`)
	blanks   = regexp.MustCompile(`[ \t]+`)
)

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
