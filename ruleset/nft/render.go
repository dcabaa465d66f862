package nft

import (
	"fmt"
	"strings"
)

// render puts JSON into nft's words. Where it does not know a value's shape it
// writes the JSON itself: a reader sees all there is, and nft refuses it.
//
// nft prints a constant by its type, which the JSON does not say: it follows
// from the expression that the constant stands beside.
type style int

const (
	plain    style = iota
	quoted         // strings in quotes: interface names, helpers, times of day
	index          // the same, but the number of an interface that is gone
	hex            // numbers as 0x1: bit masks, raw payload
	hexTwo         // 0x01: dscp
	hexFour        // 0x0001: EtherTypes
	hexEight       // 0x00000001: marks
	seconds        // numbers as 1h30m
)

// styles are the types of expressions whose constants are not plain, by what
// the expression is.
var (
	metaStyles = map[string]style{
		"mark": hexEight, "iif": index, "oif": index, "iifname": quoted, "oifname": quoted, "iifkind": quoted,
		"oifkind": quoted, "ibrname": quoted, "obrname": quoted, "sdif": index, "sdifname": quoted, "iifgroup": quoted,
		"oifgroup": quoted, "day": quoted, "hour": quoted, "time": quoted, "protocol": hexFour, "ibrvproto": hexFour,
		"secmark": plain,
	}
	ctStyles = map[string]style{
		"mark": hexEight, "state": hex, "status": hex, "event": hex, "helper": quoted, "expiration": seconds,
		"label": quoted,
	}
	payloadStyles = map[string]style{
		"tcp flags": hex, "ip dscp": hexTwo, "ip6 dscp": hexTwo, "ether type": hexFour, "vlan type": hexFour,
		"arp ptype": hexFour, "ip ecn": plain, "ip6 ecn": plain,
	}
	// typeStyles are the constants of set types.
	typeStyles = map[string]style{
		"mark": hexEight, "ifname": quoted, "iface_index": index, "string": quoted, "devgroup": quoted,
		"tcp_flag": hex, "ct_state": hex, "ct_status": hex, "ct_event": hex, "dscp": hexTwo, "ether_type": hexFour,
		"time": seconds, "hour": quoted, "day": quoted, "ct_label": quoted,
	}
)

// number writes a JSON number in a style.
func (s style) number(n string) string {
	var v uint64
	if _, err := fmt.Sscan(n, &v); err != nil {
		return n
	}
	switch s {
	case hex:
		return fmt.Sprintf("0x%x", v)
	case hexTwo:
		return fmt.Sprintf("0x%02x", v)
	case hexFour:
		return fmt.Sprintf("0x%04x", v)
	case hexEight:
		return fmt.Sprintf("0x%08x", v)
	case seconds:
		return duration(v)
	}
	return n
}

// duration writes seconds as nft does: 1d2h3m4s.
func duration(s uint64) string {
	var b strings.Builder
	for _, u := range []struct {
		name string
		len  uint64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}} {
		if n := s / u.len; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			s %= u.len
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// usual are the rejects that nft writes without their code in a table of the
// family.
var usual = map[string]string{"ip": "reject with icmp port-unreachable", "ip6": "reject with icmpv6 port-unreachable"}

// text returns the rule in nft's words, with its comment. It is kept until
// memo is emptied.
func (r *rule) text() string {
	if r.memo == "" {
		r.memo = r.render()
	}
	return r.memo
}

func (r *rule) render() string {
	family, _ := r.def["family"].(string)
	expr, _ := r.def["expr"].([]any)
	parts := make([]string, 0, len(expr)+1)
	for _, s := range expr {
		text := statement(s)
		if text == usual[family] {
			text = "reject"
		}
		parts = append(parts, text)
	}
	if c, ok := r.def["comment"].(string); ok {
		parts = append(parts, `comment "`+c+`"`)
	}
	return strings.Join(parts, " ")
}

// one returns the key and value of an object with one member.
func one(v any) (string, any, bool) {
	o, ok := v.(object)
	if !ok || len(o) != 1 {
		return "", nil, false
	}
	for k, e := range o {
		return k, e, true
	}
	return "", nil, false
}

// list returns an array, or the value itself as an array of one.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

// fields reads an object's members and remembers whether it was asked for all
// of them: what is left makes a statement opaque.
type fields struct {
	o    object
	seen int
}

func fieldsOf(v any) *fields {
	o, _ := v.(object)
	return &fields{o: o}
}

// get returns a member.
func (f *fields) get(key string) (any, bool) {
	v, ok := f.o[key]
	if ok {
		f.seen++
	}
	return v, ok
}

// word returns a simple member as a word.
func (f *fields) word(key string) string {
	v, ok := f.get(key)
	if !ok {
		return ""
	}
	if b, isBool := v.(bool); isBool {
		return map[bool]string{true: "true", false: ""}[b]
	}
	return words(v, ",")
}

// done says whether every member was read.
func (f *fields) done() bool { return f.seen == len(f.o) }
