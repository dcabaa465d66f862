package xtables

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scanUint reads a number as strtoul(3) does with base 0: decimal, 0x
// hexadecimal, leading 0 octal. It returns what follows the number. A
// negative number is none, nor is one above limit.
func scanUint(s string, limit uint64) (n uint64, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	s = strings.TrimPrefix(s, "+")
	base := uint64(10)
	digits := s
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16 {
		base, digits = 16, s[2:]
	} else if len(s) > 1 && s[0] == '0' {
		base = 8
	}
	i := 0
	for ; i < len(digits); i++ {
		d := uint64(digit(digits[i]))
		if d >= base {
			break
		}
		if n > (math.MaxUint64-d)/base {
			return 0, "", false
		}
		n = n*base + d
	}
	if i == 0 || n > limit {
		return 0, "", false
	}
	return n, digits[i:], true
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return 255
}

// parseUint reads a number that is the whole of s.
func parseUint(s string, limit uint64) (uint64, bool) {
	n, rest, ok := scanUint(s, limit)
	return n, ok && rest == ""
}

// scanHex reads a number in base 16, with or without 0x.
func scanHex(s string, limit uint64) (n uint64, rest string, ok bool) {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16 {
		return scanUint(s, limit)
	}
	if s == "" || digit(s[0]) >= 16 {
		return 0, "", false
	}
	return scanUint("0x"+s, limit)
}

func badNumber(low, high uint64) error {
	return fmt.Errorf("bad value, or out of range (%d-%d)", low, high)
}

// number is a value: a number in decimal.
func number(low, high uint64) value { return formatted("%d", low, high) }

// formatted is a value: a number that the save prints with a format such as
// 0x%02x.
func formatted(format string, low, high uint64) value {
	return func(_ *env, s string) (string, error) {
		n, ok := parseUint(s, high)
		if !ok || n < low {
			return "", badNumber(low, high)
		}
		if format == "%d" {
			return strconv.FormatUint(n, 10), nil
		}
		return fmt.Sprintf(format, n), nil
	}
}

// numbers is a value: a number or a range low:high, where a missing end is
// the lowest or the highest one.
func numbers(limit uint64) value {
	return func(_ *env, s string) (string, error) {
		low, high, err := scanRange(s, limit)
		if err != nil {
			return "", err
		}
		return printRange(low, high), nil
	}
}

// ascending is numbers whose second is not below the first.
func ascending(limit uint64) value {
	return func(_ *env, s string) (string, error) {
		low, high, err := scanRange(s, limit)
		if err == nil && high < low {
			err = fmt.Errorf("end of range below its start")
		}
		if err != nil {
			return "", err
		}
		return printRange(low, high), nil
	}
}

func scanRange(s string, limit uint64) (low, high uint64, err error) {
	first, second, isRange := strings.Cut(s, ":")
	ok := true
	if first != "" {
		low, ok = parseUint(first, limit)
	}
	high = low
	if ok && isRange {
		high = limit
		if second != "" {
			high, ok = parseUint(second, limit)
		}
	}
	if !ok {
		return 0, 0, badNumber(0, limit)
	}
	return low, high, nil
}

func printRange(low, high uint64) string {
	if low == high {
		return strconv.FormatUint(low, 10)
	}
	return strconv.FormatUint(low, 10) + ":" + strconv.FormatUint(high, 10)
}

// scanMasked reads the pair "value/mask", both in one limit; the mask is the whole
// where none is given.
func scanMasked(s string, limit uint64) (n, mask uint64, ok bool) {
	n, rest, ok := scanUint(s, limit)
	if !ok || rest == "" {
		return n, limit, ok
	}
	if rest[0] != '/' {
		return 0, 0, false
	}
	mask, ok = parseUint(rest[1:], limit)
	return n, mask, ok
}
