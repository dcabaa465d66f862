package xtables

import (
	"fmt"
	"math"
	"strconv"
)

// limitMatches are the matches on rates and counts.
var limitMatches = []extension{
	{name: "limit", options: []option{
		{name: "limit", value: limitRate, fill: "3/hour"},
		{name: "limit-burst", value: number(0, 10000), omit: "5"},
	}},
	{name: "hashlimit", options: hashlimitOptions, finish: hashlimit},
	{name: "quota", options: []option{{name: "quota", value: number(0, math.MaxUint64), invert: true, must: true}}},
	{name: "statistic", options: []option{
		{name: "mode", value: oneOf("random", "nth"), must: true},
		{name: "probability", value: probability, invert: true},
		{name: "every", value: number(1, all32), invert: true},
		{name: "packet", value: number(0, all32)},
	}, finish: statistic},
	{name: "recent", options: []option{
		{name: "set", args: none, invert: true},
		{name: "rcheck", args: none, invert: true},
		{name: "update", args: none, invert: true},
		{name: "remove", args: none, invert: true},
		{name: "seconds", value: number(0, all32)},
		{name: "reap", args: none, with: "seconds"},
		{name: "hitcount", value: number(0, all32), omit: "0"},
		{name: "rttl", args: none, not: "set remove"},
		{name: "name", value: text(199), fill: "DEFAULT"},
		{name: "mask", value: host},
		{name: "rsource", args: none},
		{name: "rdest", args: none},
	}, finish: recent},
	{name: "rateest", options: rateestOptions, asGiven: true, finish: rateest},
	{name: "cpu", options: []option{{name: "cpu", value: number(0, all32), invert: true, must: true}}},
	{name: "nfacct", options: []option{{name: "nfacct-name", value: text(31), must: true}}},
}

// probability is a value: a number from 0 to 1, which the kernel holds as a
// multiple of 2^-31.
func probability(_ *env, s string) (string, error) {
	p, err := strconv.ParseFloat(s, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return "", badNumber(0, 1)
	}
	return strconv.FormatFloat(math.Round(p*(1<<31))/(1<<31), 'f', 11, 64), nil
}

func statistic(_ *env, m *Module) error {
	probability, every, packet := m.Option("--probability"), m.Option("--every"), m.Option("--packet")
	if m.Option("--mode").Value() == "random" {
		if probability == nil || every != nil || packet != nil {
			return fmt.Errorf("--mode random needs --probability alone")
		}
		return nil
	}
	if every == nil || probability != nil {
		return fmt.Errorf("--mode nth needs --every, and --probability not")
	}
	if packet == nil {
		m.Options = append(m.Options, Option{Name: "--packet", Values: []string{"0"}})
		return nil
	}
	n, _ := parseUint(every.Value(), all32)
	if p, _ := parseUint(packet.Value(), all32); p >= n {
		return fmt.Errorf("the --packet p must be 0 <= p <= n-1")
	}
	return nil
}

// recent adds the mask and the side that are meant where none is given.
func recent(e *env, m *Module) error {
	if err := exactlyOne("--set", "--rcheck", "--update", "--remove")(e, m); err != nil {
		return err
	}
	mask := Option{Name: "--mask", Values: []string{"255.255.255.255"}}
	if e.v6() {
		mask.Values[0] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	}
	side := Option{Name: "--rsource"}
	options := m.Options[:0:0]
	for _, o := range m.Options {
		switch o.Name {
		case "--mask":
			mask = o
		case "--seconds":
			// --reap cannot be read back without it.
			if o.Value() != "0" || m.Option("--reap") != nil {
				options = append(options, o)
			}
		case "--rsource", "--rdest":
			side = o
		default:
			options = append(options, o)
		}
	}
	m.Options = append(options, mask, side)
	return nil
}
