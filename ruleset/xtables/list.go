package xtables

import (
	"fmt"
	"strings"
)

// sameName and beginsName are the ways in which iptables compares a name of a
// list: whole or the beginning of one, both without regard to case.
func sameName(name, s string) bool { return strings.EqualFold(name, s) }

func beginsName(name, s string) bool {
	return len(s) <= len(name) && strings.EqualFold(name[:len(s)], s)
}

// choice is a value: one of the names, printed as it stands in the list. A
// name may be followed by others that mean the same: "unicast host".
func choice(compare func(name, s string) bool, list ...string) value {
	return func(_ *env, s string) (string, error) {
		for _, names := range list {
			for name := range strings.SplitSeq(names, " ") {
				if s != "" && compare(name, s) {
					first, _, _ := strings.Cut(names, " ")
					return first, nil
				}
			}
		}
		return "", fmt.Errorf("unknown name %q", s)
	}
}

// oneOf is a value: one of the names, in that case.
func oneOf(list ...string) value {
	return choice(func(name, s string) bool { return name == s }, list...)
}

// members is a value: names parted by commas, printed once each and in the
// order of the list.
func members(compare func(name, s string) bool, list ...string) value {
	pick := choice(compare, list...)
	return func(e *env, s string) (string, error) {
		if s == "" {
			return "", fmt.Errorf("empty list")
		}
		found := make(map[string]bool)
		for item := range strings.SplitSeq(s, ",") {
			name, err := pick(e, item)
			if err != nil {
				return "", err
			}
			found[name] = true
		}
		var b []byte
		for _, names := range list {
			if first, _, _ := strings.Cut(names, " "); found[first] {
				if len(b) > 0 {
					b = append(b, ',')
				}
				b = append(b, first...)
				delete(found, first)
			}
		}
		return string(b), nil
	}
}

// text is a value: a string that the kernel keeps up to size bytes of.
func text(size int) value {
	return func(_ *env, s string) (string, error) {
		if len(s) > size {
			s = s[:size]
		}
		return s, nil
	}
}

// atMost is a value: a string that must not be longer than size bytes.
func atMost(size int) value {
	return func(_ *env, s string) (string, error) {
		if len(s) > size {
			return "", fmt.Errorf("longer than %d characters", size)
		}
		return s, nil
	}
}
