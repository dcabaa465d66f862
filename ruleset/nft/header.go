package nft

import (
	"strings"
)

// styleOf returns the style of the constants that stand beside an expression.
func styleOf(v any) style {
	key, value, ok := one(v)
	if !ok {
		return plain
	}
	o, _ := value.(object)
	name, _ := o["key"].(string)
	switch key {
	case "meta":
		return metaStyles[name]
	case "ct":
		return ctStyles[name]
	case "payload":
		if o["base"] != nil {
			return hex
		}
		protocol, _ := o["protocol"].(string)
		field, _ := o["field"].(string)
		return payloadStyles[protocol+" "+field]
	case "socket":
		if name == "mark" {
			return hexEight
		}
	case "osf":
		return quoted
	case "fib":
		switch o["result"] {
		case "oif":
			return index
		case "oifname":
			return quoted
		}
	case "tcp option":
		if o["base"] != nil {
			return hex
		}
	case "elem":
		return styleOf(o["val"])
	case "|", "&", "^", "<<", ">>":
		if args, ok := value.([]any); ok && len(args) > 0 {
			return styleOf(args[0])
		}
	}
	return plain
}

// stylesOf returns the styles of the parts of a concatenation, or of the one
// expression.
func stylesOf(v any) []style {
	if key, value, ok := one(v); ok && key == "concat" {
		if l, isList := value.([]any); isList && len(l) > 0 {
			out := make([]style, len(l))
			for i, e := range l {
				out[i] = styleOf(e)
			}
			return out
		}
	}
	return []style{styleOf(v)}
}

// unqualified are the meta keys that stand without the word meta.
var unqualified = map[string]bool{"iif": true, "oif": true, "iifname": true, "oifname": true, "iifgroup": true, "oifgroup": true}

func meta(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	key := f.word("key")
	if unqualified[key] {
		return key, f.done()
	}
	return "meta " + key, key != "" && f.done()
}

func ct(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	key := f.word("key")
	return join("ct", f.word("dir"), f.word("family"), key), key != "" && f.done()
}

func payload(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	if base := f.word("base"); base != "" {
		return "@" + base + "," + f.word("offset") + "," + f.word("len"), f.done()
	}
	protocol, field := f.word("protocol"), f.word("field")
	return protocol + " " + field, protocol != "" && field != "" && f.done()
}

func rt(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	return join("rt", f.word("family"), f.word("key")), f.done()
}

func fib(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	flags, _ := f.get("flags")
	result := f.word("result")
	return join("fib", strings.Join(each(flags), " . "), result), result != "" && f.done()
}

func socket(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	key := f.word("key")
	return "socket " + key, key != "" && f.done()
}

func osf(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	ttl := f.word("ttl")
	if ttl != "" {
		ttl = "ttl " + ttl
	}
	return join("osf", ttl, f.word("key")), f.done()
}

func ipsec(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	spnum := f.word("spnum")
	if spnum != "" && spnum != "0" {
		spnum = "spnum " + spnum
	} else {
		spnum = ""
	}
	return join("ipsec", f.word("dir"), spnum, f.word("family"), f.word("key")), f.done()
}

func numgen(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	return join("numgen", f.word("mode"), "mod "+f.word("mod"), offset(f)), f.done()
}

func offset(f *fields) string {
	if o := f.word("offset"); o != "" && o != "0" {
		return "offset " + o
	}
	return ""
}

func jhash(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	e, ok := f.get("expr")
	return join("jhash", expression(e, plain), hashTail(f)), ok && f.done()
}

func symhash(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	return join("symhash", hashTail(f)), f.done()
}

func hashTail(f *fields) string {
	seed := ""
	if s, ok := f.get("seed"); ok {
		seed = "seed " + expression(s, hex)
	}
	return join("mod "+f.word("mod"), seed, offset(f))
}

// extension writes an IPv6 extension header, an IPv4 option or an SCTP chunk.
func extension(word string, v any) (string, bool) {
	f := fieldsOf(v)
	name, field := f.word("name"), f.word("field")
	if word == "" && field == "" {
		word = "exthdr "
	}
	return join(word+name, field), name != "" && f.done()
}

func tcpOption(v any, _ style) (string, bool) {
	f := fieldsOf(v)
	if name := f.word("name"); name != "" {
		return join("tcp option", name, f.word("field")), f.done()
	}
	base, off, n := f.word("base"), f.word("offset"), f.word("len")
	if off == "0" && n == "8" {
		return "tcp option " + base, f.done()
	}
	return "tcp option @" + base + "," + off + "," + n, base != "" && f.done()
}

// each returns the words of an array or of the one value.
func each(v any) []string {
	var out []string
	for _, e := range list(v) {
		out = append(out, words(e, ","))
	}
	return out
}

// join joins the words that are not empty.
func join(words ...string) string {
	var b strings.Builder
	for _, w := range words {
		if w == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}
