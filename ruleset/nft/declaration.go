package nft

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// clauses returns the declaration of a set, map, flowtable or stateful object
// as nft writes it between braces. A member that this package does not know
// becomes a clause of JSON, which nft refuses.
func (o *thing) clauses() []string {
	f := fieldsOf(o.def)
	for _, k := range []string{"family", "table", "name"} {
		f.get(k)
	}
	var out []string
	add := func(words ...string) {
		if text := join(words...); text != "" {
			out = append(out, text)
		}
	}
	word := func(prefix, key string) {
		if w := f.word(key); w != "" {
			add(prefix, w)
		}
	}
	switch o.kind {
	case "set", "map", "meter":
		o.setClauses(f, add, word)
	case "flowtable":
		add("hook", f.word("hook"), "priority", f.word("prio"))
		if dev, ok := f.get("dev"); ok {
			add("devices = {", strings.Join(each(dev), ", "), "}")
		}
		flags, _ := f.get("flags")
		if text := flagWords(flags); text != "" {
			add("flags", text)
		}
		if counter, ok := f.get("counter"); ok && counter == true {
			add("counter")
		}
	case "quota":
		add(over(f), f.word("bytes"), "bytes")
	case "limit":
		add(limitClause(f))
	case "ct helper":
		add("type", quotedWord(f, "type"), "protocol", f.word("protocol"))
		word("l3proto", "l3proto")
	case "ct timeout":
		word("protocol", "protocol")
		word("l3proto", "l3proto")
		if p, ok := f.get("policy"); ok {
			add("policy = {", policyText(p), "}")
		}
	case "ct expectation":
		word("protocol", "protocol")
		word("dport", "dport")
		if t, ok := f.get("timeout"); ok {
			add("timeout", milliseconds(t))
		}
		word("size", "size")
		word("l3proto", "l3proto")
	case "synproxy":
		word("mss", "mss")
		word("wscale", "wscale")
		flags, _ := f.get("flags")
		add(each(flags)...)
	case "secmark":
		add(quotedWord(f, "context"))
	}
	if _, ok := f.get("comment"); ok {
		f.seen--
		add("comment", quotedWord(f, "comment"))
	}
	if !f.done() {
		add(compact(o.def))
	}
	return out
}

// setClauses adds the clauses of sets and maps, in nft's order.
func (o *thing) setClauses(f *fields, add func(...string), word func(prefix, key string)) {
	typ, _ := f.get("type")
	text := strings.Join(each(typ), " . ")
	if data, ok := f.get("map"); ok {
		// nft prints the types of concatenated data as one string.
		if s, ok := data.(string); ok {
			var types []any
			for t := range strings.SplitSeq(s, " . ") {
				types = append(types, t)
			}
			data = types
		}
		text += " : " + words(data, " . ")
	}
	if typeof, ok := f.get("typeof"); ok {
		text, _ := typeof.(string)
		add("typeof", text)
	} else {
		add("type", text)
	}
	word("policy", "policy")
	word("size", "size")
	if flags, _ := f.get("flags"); flags != nil {
		add("flags", flagWords(flags))
	}
	stmts, _ := f.get("stmt")
	var texts []string
	for _, s := range list(stmts) {
		texts = append(texts, statement(s))
	}
	add(texts...)
	if merge, ok := f.get("auto-merge"); ok && merge == true {
		add("auto-merge")
	}
	for _, k := range []string{"timeout", "gc-interval"} {
		if t, ok := f.get(k); ok {
			add(k, expression(t, seconds))
		}
	}
}

func quotedWord(f *fields, key string) string {
	v, ok := f.get(key)
	if !ok {
		return ""
	}
	return quote(v)
}

func limitClause(f *fields) string {
	rate, per, burst := f.word("rate"), f.word("per"), f.word("burst")
	rateUnit, burstUnit := f.word("rate_unit"), f.word("burst_unit")
	if rateUnit == "" {
		if burst != "" && burst != "5" {
			burst = "burst " + burst + " packets"
		} else {
			burst = ""
		}
		return join("rate", over(f), rate+"/"+per, burst)
	}
	if burst != "" {
		burst = "burst " + burst + " " + burstUnit
	}
	return join("rate", over(f), rate, rateUnit+"/"+per, burst)
}

// policyText writes a ct timeout's policy: { established : 100 }.
func policyText(v any) string {
	o, ok := v.(object)
	if !ok {
		return compact(v)
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(o)) {
		out = append(out, bare(k)+" : "+words(o[k], ","))
	}
	return strings.Join(out, ", ")
}

// milliseconds writes a time that the JSON has in milliseconds.
func milliseconds(v any) string {
	n, _ := v.(json.Number)
	ms, err := strconv.ParseUint(string(n), 10, 64)
	if err != nil || ms%1000 != 0 {
		return compact(v) + "ms"
	}
	return duration(ms / 1000)
}

// keyStyles returns the styles of a set's keys, and of a map's data.
func (o *thing) keyStyles() (keys []style, data style) {
	for _, t := range each(o.def["type"]) {
		keys = append(keys, typeStyles[t])
	}
	if len(keys) == 0 {
		keys = []style{plain}
	}
	m, _ := o.def["map"].(string)
	data = typeStyles[m]
	switch m {
	case "counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "synproxy", "secmark":
		data = quoted
	}
	return keys, data
}

// elementTexts returns the elements in nft's words.
func (o *thing) elementTexts() []string {
	if len(o.elems) == 0 {
		return nil
	}
	keys, data := o.keyStyles()
	out := make([]string, len(o.elems))
	for i, e := range o.elems {
		out[i] = elementText(e, keys, data)
	}
	return out
}
