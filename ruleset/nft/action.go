package nft

import (
	"strings"
)

// The statements that do more than compare: limits, logs, NAT and the like.

func over(f *fields) string {
	if f.word("inv") != "" {
		return "over"
	}
	return ""
}

func limit(v any) (string, bool) {
	if _, isObject := v.(object); !isObject || len(fieldsOf(v).o) == 1 {
		return reference("", "limit name", v)
	}
	f := fieldsOf(v)
	rate, burst, per := f.word("rate"), f.word("burst"), f.word("per")
	rateUnit, burstUnit := f.word("rate_unit"), f.word("burst_unit")
	out := []string{"limit rate", over(f), rate + "/" + per}
	if rateUnit == "" {
		// A burst of 5 packets is nft's default.
		if burst != "" && burst != "0" && burst != "5" {
			out = append(out, "burst "+burst+" packets")
		}
	} else {
		out[2] = rate + " " + rateUnit + "/" + per
		if burst != "" && burst != "0" {
			out = append(out, "burst "+burst+" "+burstUnit)
		}
	}
	return join(out...), rate != "" && per != "" && f.done()
}

func quota(v any) (string, bool) {
	if _, isObject := v.(object); !isObject || len(fieldsOf(v).o) == 1 {
		return reference("", "quota name", v)
	}
	f := fieldsOf(v)
	return join("quota", over(f), f.word("val"), f.word("val_unit")), f.done()
}

func countStatement(v any) (string, bool) {
	f := fieldsOf(v)
	return join("ct count", over(f), f.word("val")), f.done()
}

func logStatement(v any) (string, bool) {
	if v == nil {
		return "log", true
	}
	f := fieldsOf(v)
	out := []string{"log"}
	if p, ok := f.get("prefix"); ok {
		out = append(out, "prefix "+quote(p))
	}
	for _, k := range []string{"group", "snaplen", "queue-threshold", "level"} {
		if w := f.word(k); w != "" {
			out = append(out, k+" "+w)
		}
	}
	flags, _ := f.get("flags")
	var tcp, other []string
	for _, w := range each(flags) {
		if rest, ok := strings.CutPrefix(w, "tcp "); ok {
			tcp = append(tcp, rest)
		} else {
			other = append(other, "flags "+w)
		}
	}
	if len(tcp) > 0 {
		out = append(out, "flags tcp "+strings.Join(tcp, ","))
	}
	return join(append(out, other...)...), f.done()
}

func reject(v any) (string, bool) {
	if v == nil {
		return "reject", true
	}
	f := fieldsOf(v)
	kind, code := f.word("type"), f.word("expr")
	switch {
	case kind == "tcp reset" && code == "":
		return "reject with tcp reset", f.done()
	case kind == "icmpx" && code == "port-unreachable":
		return "reject", f.done()
	case kind != "":
		return join("reject with", kind, code), code != "" && f.done()
	}
	return "", false
}

// nat writes snat, dnat, masquerade and redirect.
func nat(word string, v any) (string, bool) {
	if v == nil {
		return word, true
	}
	f := fieldsOf(v)
	family := f.word("family")
	addr, hasAddr := f.get("addr")
	port, hasPort := f.get("port")
	var flags []string
	flagList, _ := f.get("flags")
	for _, w := range each(flagList) {
		if w != "netmap" { // follows from the prefix
			flags = append(flags, w)
		}
	}
	out := []string{word}
	if hasAddr || hasPort {
		out = append(out, family, f.word("type_flags"), "to")
		out = append(out, target(addr, hasAddr, port, hasPort))
	} else if f.word("type_flags") != "" {
		return "", false
	}
	return join(append(out, strings.Join(flags, ","))...), f.done()
}

// target writes ADDR:PORT, with brackets about an IPv6 address.
func target(addr any, hasAddr bool, port any, hasPort bool) string {
	text := ""
	if hasAddr {
		text = expression(addr, plain)
		if hasPort {
			text = bracketed(addr, text)
		}
	}
	if hasPort {
		text += ":" + expression(port, plain)
	}
	return text
}

func bracketed(addr any, text string) string {
	if s, ok := addr.(string); ok && strings.Contains(s, ":") {
		return "[" + text + "]"
	}
	if kind, l, ok := one(addr); ok && kind == "range" {
		ends, _ := l.([]any)
		if len(ends) == 2 {
			if s, ok := ends[0].(string); ok && strings.Contains(s, ":") {
				return "[" + expression(ends[0], plain) + "]-[" + expression(ends[1], plain) + "]"
			}
		}
	}
	return text
}

func tproxy(v any) (string, bool) {
	f := fieldsOf(v)
	family := f.word("family")
	addr, hasAddr := f.get("addr")
	port, hasPort := f.get("port")
	text := ""
	if hasAddr {
		text = expression(addr, plain)
		if s, ok := addr.(string); ok && strings.Contains(s, ":") {
			text = "[" + text + "]"
		}
	}
	if hasPort {
		text += ":" + expression(port, plain)
	}
	return join("tproxy", family, "to", text), (hasAddr || hasPort) && f.done()
}

func synproxy(v any) (string, bool) {
	if name, ok := v.(string); ok {
		return `synproxy name "` + name + `"`, true
	}
	if v == nil {
		return "synproxy", true
	}
	f := fieldsOf(v)
	if len(f.o) == 1 && f.o["map"] != nil {
		return reference("", "synproxy name", v)
	}
	out := []string{"synproxy"}
	for _, k := range []string{"mss", "wscale"} {
		if w := f.word(k); w != "" {
			out = append(out, k+" "+w)
		}
	}
	flags, _ := f.get("flags")
	return join(append(out, each(flags)...)...), f.done()
}

func queue(v any) (string, bool) {
	if v == nil {
		return "queue to 0", true
	}
	f := fieldsOf(v)
	flags, hasFlags := f.get("flags")
	num, hasNum := f.get("num")
	out := []string{"queue"}
	if hasFlags {
		out = append(out, "flags "+strings.Join(each(flags), ","))
	}
	if hasNum {
		out = append(out, "to "+expression(num, plain))
	} else {
		out = append(out, "to 0")
	}
	return join(out...), f.done()
}

func fwd(v any) (string, bool) {
	f := fieldsOf(v)
	dev, hasDev := f.get("dev")
	addr, hasAddr := f.get("addr")
	family := f.word("family")
	if hasAddr {
		return join("fwd", family, "to", expression(addr, plain), "device", expression(dev, quoted)), hasDev && f.done()
	}
	return "fwd to " + expression(dev, quoted), hasDev && f.done()
}

func dup(v any) (string, bool) {
	if v == nil {
		return "dup", true
	}
	f := fieldsOf(v)
	addr, ok := f.get("addr")
	dev, hasDev := f.get("dev")
	// Without an address the target is a device, in a netdev table.
	out := []string{"dup to", expression(addr, plain)}
	if hasDev {
		out = append(out, "device "+expression(dev, quoted))
	}
	return join(out...), ok && f.done()
}
