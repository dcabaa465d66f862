package xtables

import (
	"fmt"
	"slices"
	"strings"
)

// markTargets are the targets that change marks and fields of the header
// that are like marks.
var markTargets = []extension{
	{name: "MARK", options: setMarkOptions(), finish: exactlyOneOption("--set-xmark")},
	{name: "CONNMARK", options: append(setMarkOptions(),
		option{name: "save-mark", args: none},
		option{name: "restore-mark", args: none},
		option{name: "nfmask", value: formatted("0x%x", 0, all32)},
		option{name: "ctmask", value: formatted("0x%x", 0, all32)},
		option{name: "mask", value: formatted("0x%x", 0, all32)},
		option{name: "left-shift-mark", value: number(0, 32), omit: "0"},
		option{name: "right-shift-mark", value: number(0, 32), omit: "0"},
	), finish: connmark},
	{name: "TOS", options: []option{
		{name: "set-tos", value: tosMask},
		{name: "and-tos", as: "set-tos", value: operation(tosFormat, 255, bitAnd)},
		{name: "or-tos", as: "set-tos", value: operation(tosFormat, 255, bitOr)},
		{name: "xor-tos", as: "set-tos", value: operation(tosFormat, 255, bitXor)},
	}, finish: exactlyOneOption("--set-tos")},
	{name: "DSCP", options: []option{
		{name: "set-dscp", value: formatted("0x%02x", 0, 63)},
		{name: "set-dscp-class", as: "set-dscp", value: dscpClass},
	}, finish: exactlyOneOption("--set-dscp")},
	{name: "CLASSIFY", options: []option{{name: "set-class", value: classID("%04x:%04x"), must: true}}},
	{name: "SECMARK", options: []option{{name: "selctx", value: text(255), must: true}}},
	{name: "CONNSECMARK", options: []option{
		{name: "save", args: none},
		{name: "restore", args: none},
	}, finish: exactlyOne("--save", "--restore")},
	{name: "HMARK", options: []option{
		{name: "hmark-src-prefix", value: prefixLength},
		{name: "hmark-dst-prefix", value: prefixLength},
		{name: "hmark-sport-mask", value: formatted("0x%04x", 0, 65535)},
		{name: "hmark-dport-mask", value: formatted("0x%04x", 0, 65535)},
		{name: "hmark-spi-mask", value: formatted("0x%08x", 0, all32)},
		{name: "hmark-sport", value: formatted("0x%04x", 0, 65535)},
		{name: "hmark-dport", value: formatted("0x%04x", 0, 65535)},
		{name: "hmark-spi", value: formatted("0x%08x", 0, all32)},
		{name: "hmark-proto-mask", value: formatted("0x%02x", 0, 65535)},
		{name: "hmark-rnd", value: formatted("0x%08x", 0, all32), must: true},
		{name: "hmark-mod", value: number(1, all32), must: true},
		{name: "hmark-offset", value: number(0, all32)},
		{name: "hmark-tuple", value: members(sameName, "src", "dst", "sport", "dport", "proto", "spi", "ct")},
	}, finish: hmark},
}

// setMarkOptions are the ways to say the one operation on a mark.
func setMarkOptions() []option {
	return []option{
		{name: "set-xmark", value: xmark},
		{name: "set-mark", as: "set-xmark", value: setMark},
		{name: "and-mark", as: "set-xmark", value: operation(markFormat, all32, bitAnd)},
		{name: "or-mark", as: "set-xmark", value: operation(markFormat, all32, bitOr)},
		{name: "xor-mark", as: "set-xmark", value: operation(markFormat, all32, bitXor)},
	}
}

// connmark adds both masks to --save-mark and --restore-mark.
func connmark(e *env, m *Module) error {
	if err := exactlyOne("--set-xmark", "--save-mark", "--restore-mark")(e, m); err != nil {
		return err
	}
	operation := m.Options[0]
	options := []Option{operation}
	if operation.Name != "--set-xmark" {
		for _, name := range []string{"--nfmask", "--ctmask"} {
			mask := Option{Name: name, Values: []string{"0xffffffff"}}
			if o := m.Option("--mask"); o != nil {
				mask.Values = o.Values
			}
			if o := m.Option(name); o != nil {
				if m.Option("--mask") != nil {
					return fmt.Errorf("--mask cannot be used together with %s", name)
				}
				mask.Values = o.Values
			}
			options = append(options, mask)
		}
	}
	for _, name := range []string{"--left-shift-mark", "--right-shift-mark"} {
		if o := m.Option(name); o != nil {
			options = append(options, *o)
		}
	}
	m.Options = options
	return nil
}

// classID is a value: a traffic class, major:minor in hexadecimal.
func classID(format string) value {
	return func(_ *env, s string) (string, error) {
		major, rest, ok := scanHex(s, all32)
		if !ok || rest == "" || rest[0] != ':' {
			return "", fmt.Errorf("bad class value")
		}
		minor, _, ok := scanHex(rest[1:], all32)
		if !ok {
			return "", fmt.Errorf("bad class value")
		}
		return fmt.Sprintf(format, major&0xffff, minor&0xffff), nil
	}
}

// hmark spells out what --hmark-tuple stands for, except ct.
func hmark(e *env, m *Module) error {
	whole := "32"
	if e.v6() {
		whole = "128"
	}
	tuple := m.Option("--hmark-tuple")
	meanings := map[string]Option{
		"src":   {Name: "--hmark-src-prefix", Values: []string{whole}},
		"dst":   {Name: "--hmark-dst-prefix", Values: []string{whole}},
		"sport": {Name: "--hmark-sport-mask", Values: []string{"0xffff"}},
		"dport": {Name: "--hmark-dport-mask", Values: []string{"0xffff"}},
		"spi":   {Name: "--hmark-spi-mask", Values: []string{"0xffffffff"}},
		"proto": {Name: "--hmark-proto-mask", Values: []string{"0xffff"}},
	}
	given := m.Options
	if tuple != nil {
		for name := range strings.SplitSeq(tuple.Value(), ",") {
			if o, ok := meanings[name]; ok && find(given, o.Name) == nil {
				given = append(given[:len(given):len(given)], o)
			}
		}
	}
	var options []Option
	for _, o := range findExtension(e.kind, targets, "HMARK").options {
		g := find(given, "--"+o.name)
		switch {
		case g == nil:
		case o.name != "hmark-tuple":
			options = append(options, *g)
		case slices.Contains(strings.Split(g.Value(), ","), "ct"):
			options = append(options, Option{Name: g.Name, Values: []string{"ct"}})
		}
	}
	m.Options = options
	return nil
}
