package xtables

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// contentMatches are the matches on what a packet holds, and the comment.
var contentMatches = []extension{
	{name: "comment", options: []option{{name: "comment", value: text(255), must: true, quoting: AsNeeded}}},
	{name: "string", options: []option{
		{name: "hex-string", value: hexPattern, invert: true, quoting: Always},
		{name: "string", value: pattern, invert: true, quoting: Always},
		{name: "algo", value: text(15), must: true},
		{name: "from", value: number(0, 65535), omit: "0"},
		{name: "to", value: number(0, 65535), omit: "65535"},
		{name: "icase", args: none},
	}, finish: stringPattern},
	{name: "u32", options: []option{{name: "u32", value: u32Tests, invert: true, must: true, quoting: Always}}},
	{name: "bpf", options: []option{
		{name: "bytecode", value: bytecode, quoting: Always},
		{name: "object-pinned", value: atMost(511)},
	}, finish: exactlyOne("--bytecode", "--object-pinned")},
}

const maxPattern = 128 // XT_STRING_MAX_PATTERN_SIZE

func pattern(_ *env, s string) (string, error) {
	if s == "" || len(s) > maxPattern {
		return "", fmt.Errorf("not of 1 to %d characters", maxPattern)
	}
	return s, nil
}

// hexPattern is a value: text with blocks of hexadecimal between bars, and a
// backslash before a character that means itself. It returns the bytes.
func hexPattern(_ *env, s string) (string, error) {
	var b []byte
	for i := 0; i < len(s); {
		switch s[i] {
		case '\\':
			if i+1 == len(s) {
				return "", fmt.Errorf("bad literal placement at end of string")
			}
			b = append(b, s[i+1])
			i += 2
		case '|':
			end := strings.IndexByte(s[i+1:], '|')
			if end < 0 {
				return "", fmt.Errorf("invalid hex block")
			}
			block, err := hex.DecodeString(strings.ReplaceAll(s[i+1:i+1+end], " ", ""))
			if err != nil {
				return "", fmt.Errorf("invalid hex block: %w", err)
			}
			b = append(b, block...)
			i += end + 2
		default:
			b = append(b, s[i])
			i++
		}
	}
	return pattern(nil, string(b))
}

// stringPattern chooses the form in which the save prints the pattern: in
// hexadecimal where it has bytes that cannot be printed.
func stringPattern(e *env, m *Module) error {
	if err := exactlyOne("--hex-string", "--string")(e, m); err != nil {
		return err
	}
	o := &m.Options[0]
	o.Name = "--string"
	p := o.Value()
	for i := range len(p) {
		if p[i] < 0x20 || p[i] > 0x7e {
			o.Name = "--hex-string"
		}
	}
	if p[len(p)-1] == '\\' {
		o.Name = "--hex-string"
	}
	if o.Name == "--hex-string" {
		o.Values = []string{"|" + hex.EncodeToString([]byte(p)) + "|"}
	}
	return nil
}

// bytecode is a value: a BPF program, its length and then its instructions.
func bytecode(_ *env, s string) (string, error) {
	items := strings.Split(strings.TrimSuffix(s, ","), ",")
	n, err := strconv.Atoi(strings.TrimSpace(items[0]))
	if err != nil || n == 0 || n != len(items)-1 {
		return "", fmt.Errorf("program length does not fit")
	}
	for i, item := range items[1:] {
		fields := strings.Fields(item)
		if len(fields) != 4 {
			return "", fmt.Errorf("error at instruction %d", i)
		}
		for k, bits := range []int{16, 8, 8, 32} {
			v, err := strconv.ParseUint(fields[k], 10, bits)
			if err != nil {
				return "", fmt.Errorf("error at instruction %d: %w", i, err)
			}
			fields[k] = strconv.FormatUint(v, 10)
		}
		items[i+1] = strings.Join(fields, " ")
	}
	items[0] = strconv.Itoa(n)
	return strings.Join(items, ","), nil
}

// u32Tests is a value: tests of 32-bit words, parted by &&, each a location
// (numbers joined by & << >> @) and the ranges it may be in.
func u32Tests(_ *env, s string) (string, error) {
	p := u32Parser{rest: s}
	for {
		if err := p.location(); err != nil {
			return "", err
		}
		if err := p.ranges(); err != nil {
			return "", err
		}
		if p.rest == "" {
			return p.out.String(), nil
		}
		p.out.WriteString("&&")
	}
}

type u32Parser struct {
	rest string
	out  strings.Builder
}

func (p *u32Parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\n\v\f\r") }

func (p *u32Parser) accept(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *u32Parser) number() (uint64, error) {
	n, rest, ok := scanUint(p.rest, all32)
	if !ok {
		return 0, fmt.Errorf("not a number at %q", p.rest)
	}
	p.rest = rest
	return n, nil
}

func (p *u32Parser) location() error {
	for first := true; ; first = false {
		if !first {
			if p.accept("=") {
				p.out.WriteByte('=')
				return nil
			}
			operator := ""
			for _, op := range []string{"&", "<<", ">>", "@"} {
				if p.accept(op) {
					operator = op
					break
				}
			}
			if operator == "" {
				return fmt.Errorf("operator expected at %q", p.rest)
			}
			p.out.WriteString(operator)
		}
		n, err := p.number()
		if err != nil {
			return err
		}
		fmt.Fprintf(&p.out, "0x%x", n)
	}
}

func (p *u32Parser) ranges() error {
	for {
		low, err := p.number()
		if err != nil {
			return err
		}
		high := low
		if p.accept(":") {
			if high, err = p.number(); err != nil {
				return err
			}
		}
		if low == high {
			fmt.Fprintf(&p.out, "0x%x", low)
		} else {
			fmt.Fprintf(&p.out, "0x%x:0x%x", low, high)
		}
		p.skip()
		switch {
		case p.rest == "", p.accept("&&"):
			return nil
		case !p.accept(","):
			return fmt.Errorf("expected , or && at %q", p.rest)
		}
		p.out.WriteByte(',')
	}
}
