package xtables

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var hashlimitOptions = []option{
	{name: "hashlimit-upto", aliases: "hashlimit", invert: true},
	{name: "hashlimit-above", invert: true},
	{name: "hashlimit-burst"},
	{name: "hashlimit-mode", value: hashModes},
	{name: "hashlimit-name", value: text(254), must: true},
	{name: "hashlimit-htable-size", value: number(0, all32), omit: "0"},
	{name: "hashlimit-htable-max", value: number(0, all32), omit: "0"},
	{name: "hashlimit-htable-gcinterval", value: number(0, all32), omit: "1000"},
	{name: "hashlimit-htable-expire", value: number(0, all32)},
	{name: "hashlimit-srcmask", value: prefixLength},
	{name: "hashlimit-dstmask", value: prefixLength},
	{name: "hashlimit-rate-match", args: none},
	{name: "hashlimit-rate-interval", value: number(0, all32)},
}

// hashModes is a value: what the table's entries are told apart by.
func hashModes(e *env, s string) (string, error) {
	s = strings.Trim(strings.ReplaceAll(s, "|", ","), ",")
	if s == "" {
		return "", nil
	}
	return members(func(name, s string) bool { return name == s }, "srcip", "srcport", "dstip", "dstport")(e, s)
}

// hashlimit puts rate, burst and expiry into the form of the save.
func hashlimit(e *env, m *Module) error {
	if err := exactlyOne("--hashlimit-upto", "--hashlimit-above")(e, m); err != nil {
		return err
	}
	limit := m.Options[0]
	if limit.Negated {
		limit.Negated = false
		limit.Name = map[string]string{"--hashlimit-upto": "--hashlimit-above", "--hashlimit-above": "--hashlimit-upto"}[limit.Name]
	}
	rate, burst := scanBytes, byteBurst
	if !strings.Contains(limit.Value(), "b/s") {
		rate, burst = scanPackets, packetBurst
	}
	r, err := rate(limit.Value())
	if err != nil {
		return fmt.Errorf("%s %s: %w", limit.Name, limit.Value(), err)
	}
	b, err := burst(&r, m.Option("--hashlimit-burst"))
	if err != nil {
		return fmt.Errorf("--hashlimit-burst: %w", err)
	}
	limit.Values = []string{r.text}
	options := append(make([]Option, 0, len(m.Options)+1), limit)
	if b != "" {
		options = append(options, Option{Name: "--hashlimit-burst", Values: []string{b}})
	}
	whole := "32"
	if e.v6() {
		whole = "128"
	}
	interval := r.interval(m)
	for _, o := range m.Options[1:] {
		switch o.Name {
		case "--hashlimit-burst", "--hashlimit-rate-interval":
			continue
		case "--hashlimit-mode":
			if o.Value() == "" {
				continue
			}
		case "--hashlimit-htable-expire":
			r.expire = o.Value()
			continue
		case "--hashlimit-srcmask", "--hashlimit-dstmask":
			if o.Value() == whole {
				continue
			}
		}
		options = append(options, o)
	}
	if r.expire != r.quantum {
		options = insertBefore(options, Option{Name: "--hashlimit-htable-expire", Values: []string{r.expire}},
			"--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-rate-match")
	}
	m.Options = append(options, interval...)
	return nil
}

// insertBefore inserts o before the first option of one of the names.
func insertBefore(options []Option, o Option, names ...string) []Option {
	for i := range options {
		for _, name := range names {
			if options[i].Name == name {
				return append(options[:i:i], append([]Option{o}, options[i:]...)...)
			}
		}
	}
	return append(options, o)
}

// hashRate is a rate as the save prints it.
type hashRate struct {
	text    string
	bytes   bool
	cost    uint64
	seconds uint64
	expire  string // milliseconds until an entry goes
	quantum string // the expiry that goes without saying
}

// interval returns the interval of a rate match, if there is one to tell.
func (r *hashRate) interval(m *Module) []Option {
	if m.Option("--hashlimit-rate-match") == nil {
		return nil
	}
	n := strconv.FormatUint(r.seconds, 10)
	if o := m.Option("--hashlimit-rate-interval"); o != nil && o.Value() != "0" {
		n = o.Value()
	}
	if n == "1" {
		return nil
	}
	return []Option{{Name: "--hashlimit-rate-interval", Values: []string{n}}}
}

func milliseconds(seconds uint64) string { return strconv.FormatUint(seconds*1000, 10) }

func scanPackets(s string) (hashRate, error) {
	const scale = 1000000 // XT_HASHLIMIT_SCALE_v2
	cost, seconds, err := scanRate(s, scale)
	if err != nil {
		return hashRate{}, err
	}
	text, unit := rateString(cost, scale)
	return hashRate{text: text, cost: cost, seconds: seconds, expire: milliseconds(seconds), quantum: milliseconds(unit)}, nil
}

func packetBurst(_ *hashRate, o *Option) (string, error) {
	if o == nil {
		return "5", nil
	}
	n, _, ok := scanUint(o.Value(), math.MaxUint64)
	if !ok || n == 0 || n > 1000000 {
		return "", badNumber(1, 1000000)
	}
	return strconv.FormatUint(n, 10), nil
}

// A rate in bytes is held as a cost per 16 bytes.
const byteShift = 4

func bytesToCost(n uint64) uint64 { return math.MaxUint32 / (uint64(uint32(n>>byteShift)) + 1) }

func costToBytes(cost uint64) uint64 {
	r := uint64(math.MaxUint32)
	if cost > 0 {
		r /= cost
	}
	return (r - 1) << byteShift
}

var byteUnits = []struct {
	name string
	size uint64
}{{"m", 1 << 20}, {"k", 1 << 10}, {"", 1}}

func byteFactor(c byte) uint64 {
	switch c {
	case 'm':
		return 1 << 20
	case 'k':
		return 1 << 10
	}
	return 1
}

const byteExpire, byteExpireBurst = "15000", "60000"

func scanBytes(s string) (hashRate, error) {
	i := strings.Index(s, "b/s")
	n := leadingNumber(s)
	if i < 1 || n == 0 || n > math.MaxUint64>>20 {
		return hashRate{}, fmt.Errorf("bad rate")
	}
	cost := bytesToCost(n * byteFactor(s[i-1]))
	if cost == 0 {
		return hashRate{}, fmt.Errorf("rate too high")
	}
	// The save prints the slowest rate as 0b/s, which is none.
	total := max(1, costToBytes(cost))
	u := byteUnits[len(byteUnits)-1]
	for _, unit := range byteUnits[:len(byteUnits)-1] {
		if total >= unit.size && bytesToCost(total&^(unit.size-1)) == cost {
			u = unit
			break
		}
	}
	text := strconv.FormatUint(total/u.size, 10) + u.name + "b/s"
	return hashRate{text: text, bytes: true, cost: cost, seconds: 1, expire: byteExpire, quantum: byteExpire}, nil
}

// byteBurst returns the burst in bytes, a multiple of the rate, or "".
func byteBurst(r *hashRate, o *Option) (string, error) {
	if o == nil {
		return "", nil
	}
	n, rest, ok := scanUint(o.Value(), math.MaxUint64>>20)
	if !ok || n == 0 {
		return "", fmt.Errorf("bad value")
	}
	if rest != "" {
		n *= byteFactor(rest[0])
	}
	per := costToBytes(r.cost)
	if n < per || per == 0 {
		return "", fmt.Errorf("burst cannot be smaller than %db", per)
	}
	total := (n + per - 1) / per * per
	r.expire, r.quantum = byteExpireBurst, byteExpireBurst
	u := byteUnits[len(byteUnits)-1]
	for _, unit := range byteUnits {
		if total >= unit.size {
			u = unit
			break
		}
	}
	return strconv.FormatUint(total/u.size, 10) + u.name + "b", nil
}
