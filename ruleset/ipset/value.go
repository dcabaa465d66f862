package ipset

import (
	"fmt"
	"strconv"
	"strings"
)

// parseMAC reads six octets of one or two hexadecimal digits.
func parseMAC(s string) ([]byte, error) {
	mac := make([]byte, 0, 6)
	for f := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseUint(f, 16, 8)
		if err != nil || len(mac) == 6 {
			return nil, fmt.Errorf("%q is no MAC address", s)
		}
		mac = append(mac, byte(n))
	}
	if len(mac) != 6 {
		return nil, fmt.Errorf("%q is no MAC address", s)
	}
	return mac, nil
}

// number reads a number as strtoull(3) with base 0 does: 0x is hexadecimal, a
// leading 0 octal.
func number(s string, limit uint64) (uint64, error) {
	base := 10
	digits := s
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	if n > limit {
		return 0, fmt.Errorf("%s is larger than %d", s, limit)
	}
	return n, nil
}

// CheckName holds a set's name to what the kernel stores, 31 bytes, and to what
// ipset restore reads back of ipset save: that has no way to write a quote or
// white space, and restore takes some words with a dash for options anywhere in
// a line, "-f" for one with a file's name.
func CheckName(name string) error {
	if name == "" || len(name) > 31 {
		return fmt.Errorf("%q is no set name: it has 1 to 31 bytes", name)
	}
	if name[0] == '-' {
		return fmt.Errorf("%q is no set name: it begins with a dash", name)
	}
	if strings.ContainsAny(name, " \t") {
		return fmt.Errorf("%q is no set name: ipset save prints it as two words", name)
	}
	return checkWord(name)
}

// checkWord refuses what ipset restore cannot read back within quotes.
func checkWord(s string) error {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f || c == '"' {
			return fmt.Errorf("%q holds %q, which no dump can", s, c)
		}
	}
	return nil
}
