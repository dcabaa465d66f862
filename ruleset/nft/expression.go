package nft

import (
	"encoding/json"
	"strings"
)

// expression returns an expression in nft's words. s is the style of constants.
func expression(v any, s style) string {
	switch v := v.(type) {
	case string:
		unquoted := v == "*" || strings.HasPrefix(v, "@") || s == index && strings.Trim(v, "0123456789") == ""
		if (s == quoted || s == index) && !unquoted {
			return quote(v)
		}
		return bare(v)
	case json.Number:
		return s.number(string(v))
	case bool:
		if v {
			return "exists"
		}
		return "missing"
	case []any:
		// A list of flags.
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = expression(e, s)
		}
		return strings.Join(parts, ",")
	}
	key, value, ok := one(v)
	if !ok {
		return compact(v)
	}
	if render := expressions[key]; render != nil {
		if text, ok := render(value, s); ok {
			return text
		}
	}
	if verdict, ok := verdict(key, value); ok {
		return verdict
	}
	return compact(v)
}

// expressions are the expressions by their key. Each returns false for a shape
// that it does not know. (A function, since they are recursive.)
var expressions map[string]func(any, style) (string, bool)

func init() {
	expressions = map[string]func(any, style) (string, bool){
		"payload": payload, "meta": meta, "ct": ct, "rt": rt, "fib": fib, "socket": socket, "osf": osf,
		"ipsec": ipsec, "numgen": numgen, "jhash": jhash, "symhash": symhash,
		"exthdr":     func(v any, _ style) (string, bool) { return extension("", v) },
		"ip option":  func(v any, _ style) (string, bool) { return extension("ip option ", v) },
		"sctp chunk": func(v any, _ style) (string, bool) { return extension("sctp chunk ", v) },
		"tcp option": tcpOption, "prefix": prefix, "range": rangeOf, "concat": concat, "set": setOf, "elem": element,
		"map":  func(v any, s style) (string, bool) { return mapping(v, "map", s) },
		"vmap": func(v any, s style) (string, bool) { return mapping(v, "vmap", s) },
		"|":    func(v any, s style) (string, bool) { return binary("|", v, s) },
		"&":    func(v any, s style) (string, bool) { return binary("&", v, s) },
		"^":    func(v any, s style) (string, bool) { return binary("^", v, s) },
		"<<":   func(v any, s style) (string, bool) { return binary("<<", v, s) },
		">>":   func(v any, s style) (string, bool) { return binary(">>", v, s) },
	}
}

// precedence of operators; a looser argument of a tighter operator stands in
// parentheses.
var precedence = map[string]int{"<<": 1, ">>": 1, "&": 2, "^": 3, "|": 4}

func binary(op string, v any, s style) (string, bool) {
	args, ok := v.([]any)
	if !ok || len(args) < 2 {
		return "", false
	}
	if st := styleOf(args[0]); st != plain {
		s = st
	}
	parts := make([]string, len(args))
	for i, a := range args {
		arg := s
		if i > 0 && (op == "<<" || op == ">>") {
			arg = plain
		}
		parts[i] = expression(a, arg)
		if inner, _, ok := one(a); ok && precedence[inner] > precedence[op] {
			parts[i] = "(" + parts[i] + ")"
		}
		if l, ok := a.([]any); ok && len(l) > 1 {
			// nft prints flags among operators as a | b, which binds loosely.
			parts[i] = "(" + strings.ReplaceAll(parts[i], ",", " | ") + ")"
		}
	}
	return strings.Join(parts, " "+op+" "), true
}

func prefix(v any, s style) (string, bool) {
	f := fieldsOf(v)
	addr, ok := f.get("addr")
	n := f.word("len")
	return expression(addr, s) + "/" + n, ok && n != "" && f.done()
}

func rangeOf(v any, s style) (string, bool) {
	l, ok := v.([]any)
	if !ok || len(l) != 2 {
		return "", false
	}
	if s == seconds {
		return expression(l[0], plain) + "s-" + expression(l[1], plain) + "s", true
	}
	return expression(l[0], s) + "-" + expression(l[1], s), true
}

func concat(v any, s style) (string, bool) {
	l, ok := v.([]any)
	if !ok {
		return "", false
	}
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = expression(e, s)
	}
	return strings.Join(parts, " . "), true
}

// setOf writes an anonymous set, or a map's entries.
func setOf(v any, s style) (string, bool) {
	l, ok := v.([]any)
	if !ok {
		return "", false
	}
	return elements(l, []style{s}, plain), true
}

// elements writes { a, b } or { k : v, … }. keys are the styles of the parts
// of a concatenation, one for all if there is but one.
func elements(l []any, keys []style, data style) string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = elementText(e, keys, data)
	}
	if len(parts) == 0 {
		return "{ }"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func elementText(e any, keys []style, data style) string {
	pair, ok := e.([]any)
	if ok && len(pair) == 2 {
		return keyText(pair[0], keys) + " : " + dataText(pair[1], data)
	}
	if ok {
		return compact(e)
	}
	return keyText(e, keys)
}

// dataText writes what a map's entry maps to.
func dataText(v any, s style) string { return expression(v, s) }

// keyText writes an element's key, each part of a concatenation in its style.
func keyText(v any, keys []style) string {
	s := keys[0]
	kind, value, ok := one(v)
	if !ok {
		return expression(v, s)
	}
	switch l, isList := value.([]any); {
	case kind == "concat" && isList:
		parts := make([]string, len(l))
		for i, e := range l {
			parts[i] = expression(e, keys[min(i, len(keys)-1)])
		}
		return strings.Join(parts, " . ")
	case kind == "|" && isList:
		// Flags that stand together in one element.
		parts := make([]string, len(l))
		for i, e := range l {
			parts[i] = expression(e, s)
		}
		return strings.Join(parts, " | ")
	case kind == "text":
		text, _ := value.(string) // an element as nft prints it, see Merge
		return text
	case kind == "elem":
		if text, ok := elementWith(value, keys); ok {
			return text
		}
		return compact(v)
	}
	return expression(v, s)
}

func element(v any, s style) (string, bool) { return elementWith(v, []style{s}) }

// elementWith writes an element with its statements, timeout and comment.
func elementWith(v any, keys []style) (string, bool) {
	f := fieldsOf(v)
	val, ok := f.get("val")
	if !ok {
		return "", false
	}
	parts := []string{keyText(val, keys)}
	for _, k := range []string{"counter", "limit", "ct count", "quota", "last"} {
		if s, ok := f.get(k); ok {
			parts = append(parts, statement(object{k: s}))
		}
	}
	if t, ok := f.get("timeout"); ok {
		parts = append(parts, "timeout "+expression(t, seconds))
	}
	if c, ok := f.get("comment"); ok {
		parts = append(parts, "comment "+quote(c))
	}
	return strings.Join(parts, " "), f.done()
}

// mapping writes KEY map { … }, or vmap where the data are verdicts. s is the
// style of the data.
func mapping(v any, word string, s style) (string, bool) {
	f := fieldsOf(v)
	key, okKey := f.get("key")
	data, okData := f.get("data")
	if !okKey || !okData || !f.done() {
		return "", false
	}
	head := expression(key, plain) + " "
	if name, ok := data.(string); ok {
		return head + word + " " + bare(name), true
	}
	kind, l, ok := one(data)
	entries, isList := l.([]any)
	if !ok || kind != "set" || !isList {
		return "", false
	}
	return head + word + " " + elements(entries, stylesOf(key), s), true
}
