package xtables

import (
	"fmt"
	"slices"
)

// policyElement are the options of one element of an IPsec policy, in the
// order of the save.
var policyElement = []option{
	{name: "reqid", value: number(0, all32), invert: true, multi: true},
	{name: "spi", value: formatted("0x%x", 0, all32), invert: true, multi: true},
	{name: "proto", value: protocolByName, invert: true, multi: true},
	{name: "mode", value: oneOf("transport", "tunnel"), invert: true, multi: true},
	{name: "tunnel-dst", value: hostMask(false, false), invert: true, multi: true},
	{name: "tunnel-src", value: hostMask(false, false), invert: true, multi: true},
	{name: "next", args: none, multi: true},
}

// policyMatches is the match on IPsec policies: two options that concern the
// whole and then elements, parted by --next.
var policyMatches = []extension{{
	name:    "policy",
	asGiven: true,
	options: append([]option{
		{name: "dir", value: oneOf("in", "out")},
		{name: "pol", value: oneOf("none", "ipsec")},
		{name: "strict", args: none},
	}, policyElement...),
	finish: policy,
}}

func policy(_ *env, m *Module) error {
	var head []Option
	elements := [][]Option{nil}
	for _, name := range []string{"--dir", "--pol", "--strict"} {
		if o := m.Option(name); o != nil {
			head = append(head, *o)
		}
	}
	for _, o := range m.Options {
		switch o.Name {
		case "--dir", "--pol", "--strict":
		case "--next":
			elements = append(elements, nil)
		default:
			last := &elements[len(elements)-1]
			if find(*last, o.Name) != nil {
				return fmt.Errorf("double %s", o.Name)
			}
			*last = append(*last, o)
		}
	}
	if m.Option("--dir") == nil {
		return fmt.Errorf("neither --dir in nor --dir out specified")
	}
	if m.Option("--pol") == nil {
		head = slices.Insert(head, 1, Option{Name: "--pol", Values: []string{"ipsec"}})
	}
	if len(elements) > 4 || len(elements) > 1 && m.Option("--strict") == nil {
		return fmt.Errorf("multiple elements need --strict, and may be 4")
	}
	for i, element := range elements {
		if i > 0 {
			head = append(head, Option{Name: "--next"})
		}
		if m.Option("--strict") != nil && len(element) == 0 {
			return fmt.Errorf("empty policy element %d", i)
		}
		for _, o := range policyElement {
			if given := find(element, "--"+o.name); given != nil {
				head = append(head, *given)
			}
		}
	}
	m.Options = head
	return nil
}
