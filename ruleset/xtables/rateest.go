package xtables

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var rateestOptions = []option{
	{name: "rateest-delta", args: none},
	{name: "rateest1", aliases: "rateest", value: text(15)},
	{name: "rateest2", value: text(15)},
	{name: "rateest-bps1", args: maybe, value: bitRate},
	{name: "rateest-pps1", args: maybe, value: number(0, all32)},
	{name: "rateest-bps2", aliases: "rateest-bps", args: maybe, value: bitRate},
	{name: "rateest-pps2", aliases: "rateest-pps", args: maybe, value: number(0, all32)},
	{name: "rateest-lt", args: none, invert: true},
	{name: "rateest-gt", args: none, invert: true},
	{name: "rateest-eq", args: none, invert: true},
}

// rateest prints the comparison between its two sides: of one estimator and
// a number, or of two estimators.
func rateest(e *env, m *Module) error {
	if err := exactlyOne("--rateest-lt", "--rateest-gt", "--rateest-eq")(e, m); err != nil {
		return err
	}
	name := m.Option("--rateest1")
	if name == nil {
		return fmt.Errorf("needs --rateest or --rateest1")
	}
	var mode Option
	for _, o := range m.Options {
		switch o.Name {
		case "--rateest-lt", "--rateest-gt", "--rateest-eq":
			mode = o
		}
	}
	delta := m.Option("--rateest-delta")
	other := m.Option("--rateest2")
	var options []Option
	if delta != nil {
		options = append(options, *delta)
	}
	first := *name
	if other == nil {
		first.Name = "--rateest"
	}
	options = append(options, first)
	found := false
	for _, unit := range []string{"--rateest-bps", "--rateest-pps"} {
		left, right := m.Option(unit+"1"), m.Option(unit+"2")
		if left == nil && right == nil {
			continue
		}
		found = true
		if delta != nil {
			options = append(options, rateSide(unit+"1", left, true), mode, rateSide(unit+"2", right, true))
		} else {
			options = append(options, mode, rateSide(unit, right, other == nil))
		}
	}
	if !found {
		return fmt.Errorf("needs --rateest-bps or --rateest-pps")
	}
	if other != nil {
		options = append(options, *other)
	}
	m.Options = options
	return nil
}

func rateSide(name string, o *Option, withRate bool) Option {
	side := Option{Name: name}
	if !withRate {
		return side
	}
	side.Values = []string{"0"}
	if strings.HasPrefix(name, "--rateest-bps") {
		side.Values[0] = "0bit"
	}
	if o != nil && len(o.Values) > 0 {
		side.Values[0] = o.Values[0]
	}
	return side
}

var bitUnits = map[string]float64{
	"bit": 1, "kibit": 1 << 10, "kbit": 1e3, "mibit": 1 << 20, "mbit": 1e6, "gibit": 1 << 30, "gbit": 1e9, "tibit": 1 << 40, "tbit": 1e12,
	"bps": 8, "kibps": 8 << 10, "kbps": 8e3, "mibps": 8 << 20, "mbps": 8e6, "gibps": 8 << 30, "gbps": 8e9, "tibps": 8 << 40, "tbps": 8e12,
}

// bitRate is a value: bytes a second, or a number with a unit.
func bitRate(_ *env, s string) (string, error) {
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') && s[end-1] != '.' {
		end--
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil || n < 0 {
		return "", fmt.Errorf("could not parse rate")
	}
	scale := 8.0
	if s[end:] != "" {
		var ok bool
		if scale, ok = bitUnits[strings.ToLower(s[end:])]; !ok {
			return "", fmt.Errorf("unknown unit %q", s[end:])
		}
	}
	if n = n * scale / 8; n > math.MaxUint32 {
		return "", fmt.Errorf("rate too large")
	}
	switch bits := float64(uint32(n)) * 8; {
	case bits >= 1e9:
		return strconv.FormatFloat(bits/1e6, 'f', 0, 64) + "Mbit", nil
	case bits >= 1e6:
		return strconv.FormatFloat(bits/1e3, 'f', 0, 64) + "Kbit", nil
	default:
		return strconv.FormatFloat(bits, 'f', 0, 64) + "bit", nil
	}
}

// estimatorTime is a value: a time, which the estimator rounds: the interval
// to a power of two of a quarter second.
func estimatorTime(_ *env, s string) (string, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(s)
	}
	t, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return "", fmt.Errorf("bad time")
	}
	switch strings.ToLower(s[end:]) {
	case "":
	case "s", "sec", "secs":
		t *= 1e6
	case "ms", "msec", "msecs":
		t *= 1e3
	case "us", "usec", "usecs":
	default:
		return "", fmt.Errorf("bad unit of time")
	}
	if t > math.MaxUint32 {
		return "", fmt.Errorf("time too long")
	}
	return strconv.FormatUint(uint64(t), 10), nil
}

// estimator rounds the times of RATEEST as the kernel holds them.
func estimator(_ *env, m *Module) error {
	microseconds, _ := strconv.ParseFloat(m.Option("--rateest-interval").Value(), 64)
	average, _ := strconv.ParseFloat(m.Option("--rateest-ewmalog").Value(), 64)
	i := 0
	for i <= 5 && microseconds > float64(uint64(1)<<i)*250000 {
		i++
	}
	if i > 5 {
		return fmt.Errorf("interval value is too large")
	}
	log := 1
	for ; log < 32; log++ {
		if microseconds/-math.Log(1-1/float64(uint64(1)<<log)) > average {
			break
		}
	}
	if log--; log == 0 || log >= 31 {
		return fmt.Errorf("ewmalog value is out of range")
	}
	interval := uint64(1000000) << i / 4
	m.Option("--rateest-interval").Values[0] = timeString(interval)
	m.Option("--rateest-ewmalog").Values[0] = timeString(uint64(uint32(interval << log)))
	return nil
}

func timeString(us uint64) string {
	switch {
	case us >= 1e6:
		return strconv.FormatFloat(float64(us)/1e6, 'f', 1, 64) + "s"
	case us >= 1e3:
		return strconv.FormatFloat(float64(us)/1e3, 'f', 1, 64) + "ms"
	}
	return strconv.FormatUint(us, 10) + "us"
}
