package nft

import (
	"encoding/json"
	"strings"
)

// statement returns a statement in nft's words, or its JSON.
func statement(v any) string {
	if s, ok := v.(string); ok {
		return s // what nft's JSON cannot express it prints as text
	}
	key, value, ok := one(v)
	if !ok {
		return compact(v)
	}
	if render := statements[key]; render != nil {
		if text, ok := render(value); ok {
			return text
		}
	}
	if text, ok := verdict(key, value); ok {
		return text
	}
	return compact(v)
}

// statements are the statements by their key. Each returns false for a shape
// that it does not know.
var statements map[string]func(any) (string, bool)

func init() {
	statements = map[string]func(any) (string, bool){
		"match": match, "mangle": mangle, "log": logStatement, "limit": limit, "quota": quota, "reject": reject,
		"counter":        func(v any) (string, bool) { return reference("counter", "counter name", v) },
		"last":           func(v any) (string, bool) { return "last", v == nil },
		"notrack":        func(v any) (string, bool) { return "notrack", v == nil },
		"ct helper":      func(v any) (string, bool) { return reference("", "ct helper set", v) },
		"ct timeout":     func(v any) (string, bool) { return reference("", "ct timeout set", v) },
		"ct expectation": func(v any) (string, bool) { return reference("", "ct expectation set", v) },
		"secmark":        func(v any) (string, bool) { return reference("", "meta secmark set", v) },
		"ct count":       countStatement, "set": setStatement, "map": setStatement, "flow": flow, "fwd": fwd, "dup": dup,
		"snat":       func(v any) (string, bool) { return nat("snat", v) },
		"dnat":       func(v any) (string, bool) { return nat("dnat", v) },
		"masquerade": func(v any) (string, bool) { return nat("masquerade", v) },
		"redirect":   func(v any) (string, bool) { return nat("redirect", v) },
		"tproxy":     tproxy, "synproxy": synproxy, "queue": queue, "meter": meter,
		"vmap":  func(v any) (string, bool) { return mapping(v, "vmap", plain) },
		"reset": func(v any) (string, bool) { return "reset " + expression(v, plain), true },
	}
}

// verdict writes accept, drop, jump CHAIN, …
func verdict(key string, v any) (string, bool) {
	switch key {
	case "accept", "drop", "continue", "return", "break":
		return key, v == nil
	case "jump", "goto":
		f := fieldsOf(v)
		target := f.word("target")
		return key + " " + target, target != "" && f.done()
	}
	return "", false
}

// match writes a comparison.
func match(v any) (string, bool) {
	f := fieldsOf(v)
	op := f.word("op")
	left, okLeft := f.get("left")
	right, okRight := f.get("right")
	if !okLeft || !okRight || !f.done() {
		return "", false
	}
	styles := stylesOf(left)
	value := matchValue(right, styles)
	head := expression(left, plain)
	operator, args, isOperation := one(left)
	isOperation = isOperation && precedence[operator] > 0
	if parts, ok := args.([]any); ok && operator == "&" && len(parts) == 2 && isFlags(parts[1]) && isFlags(right) && op != "in" {
		// nft writes flags under a mask as VALUE / MASK.
		text := expression(right, styles[0]) + " / " + expression(parts[1], styles[0])
		if op == "==" {
			return expression(parts[0], plain) + " " + text, true
		}
		return expression(parts[0], plain) + " " + op + " " + text, true
	}
	// nft writes == where the same without it would ask for one flag of many.
	isBits := styles[0] == hex && !isRaw(left) && isConstant(right)
	if op == "in" || op == "==" && !isOperation && !isBits {
		return head + " " + value, true
	}
	return head + " " + op + " " + value, op != ""
}

// isFlags says whether a value is a flag by name or a list of them.
func isFlags(v any) bool {
	for _, e := range list(v) {
		if s, ok := e.(string); !ok || strings.ContainsAny(s, ".:") {
			return false
		}
	}
	return v != nil
}

func isConstant(v any) bool {
	switch v := v.(type) {
	case string:
		return !strings.HasPrefix(v, "@")
	case json.Number:
		return true
	}
	return false
}

func isRaw(v any) bool {
	_, value, _ := one(v)
	o, _ := value.(object)
	return o["base"] != nil
}

// matchValue writes what an expression is compared with.
func matchValue(v any, styles []style) string {
	if kind, value, ok := one(v); ok && kind == "set" {
		if l, isList := value.([]any); isList {
			return elements(l, styles, plain)
		}
	}
	return keyText(v, styles)
}

// mangle writes KEY set VALUE.
func mangle(v any) (string, bool) {
	f := fieldsOf(v)
	key, okKey := f.get("key")
	value, okValue := f.get("value")
	return expression(key, plain) + " set " + expression(value, styleOf(key)), okKey && okValue && f.done()
}

// reference writes a statement that stands alone, or refers to a named object,
// or to a map of them.
func reference(alone, named string, v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return alone, alone != ""
	case string:
		return named + ` "` + v + `"`, true
	case object:
		if key, value, ok := one(v); ok && key == "map" {
			text, ok := mapping(value, "map", quoted)
			return named + " " + text, ok
		}
	}
	return "", false
}

func setStatement(v any) (string, bool) {
	f := fieldsOf(v)
	op := f.word("op")
	elem, ok := f.get("elem")
	if !ok {
		// A map's entry is built, not matched: {map: {op, map, elem, data}}.
		return "", false
	}
	parts := []string{op, f.word("set") + f.word("map"), "{", expression(elem, plain)}
	stmts, _ := f.get("stmt")
	for _, s := range list(stmts) {
		parts = append(parts, statement(s))
	}
	if data, ok := f.get("data"); ok {
		parts = append(parts, ":", expression(data, plain))
	}
	return join(append(parts, "}")...), f.done()
}

func meter(v any) (string, bool) {
	f := fieldsOf(v)
	key, okKey := f.get("key")
	stmt, okStmt := f.get("stmt")
	size := f.word("size")
	if size != "" {
		size = "size " + size
	}
	return join("meter", f.word("name"), size, "{", expression(key, plain), statement(stmt), "}"),
		okKey && okStmt && f.done()
}

func flow(v any) (string, bool) {
	f := fieldsOf(v)
	return "flow " + f.word("op") + " " + f.word("flowtable"), f.done()
}
