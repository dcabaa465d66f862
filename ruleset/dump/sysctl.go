package dump

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// ParseSysctl reads the grammar of sysctl.conf(5): KEY = VALUE lines, comments
// that begin with # or ;, and a - before a key whose failure to be set is to be
// ignored. Of a key that occurs twice the last value counts, as the file is
// applied in order. Keys come back as sysctl(8) writes them, sorted by key;
// values have single spaces between their fields.
//
// Only keys below net. belong to a network namespace: others are errors, as
// are lines that are neither. Errors are of type *ruleset.SyntaxError.
func ParseSysctl(file string, text []byte) ([]ruleset.Sysctl, error) {
	values := map[string]string{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		bad := func(format string, args ...any) error {
			return &ruleset.SyntaxError{File: file, Line: n, Msg: fmt.Sprintf(format, args...)}
		}
		line, _ = strings.CutPrefix(line, "-")
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, bad("%.60q is no KEY = VALUE", line)
		}
		key = SysctlKey(strings.TrimSpace(key))
		if strings.ContainsAny(key, " \t\x00*?[") || strings.IndexByte(value, 0) >= 0 {
			return nil, bad("%.60q is no key", key)
		}
		if !strings.HasPrefix(key, "net.") || !plainKey(key) {
			return nil, bad("%.60q is no key below net.", key)
		}
		values[key] = strings.Join(strings.Fields(value), " ")
	}
	out := make([]ruleset.Sysctl, 0, len(values))
	for k, v := range values {
		out = append(out, ruleset.Sysctl{Key: k, Value: v})
	}
	slices.SortStableFunc(out, func(a, b ruleset.Sysctl) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// FormatSysctl writes "KEY = VALUE" lines in the order of the slice.
func FormatSysctl(keys []ruleset.Sysctl) []byte {
	var b bytes.Buffer
	for _, k := range keys {
		b.WriteString(k.Key)
		b.WriteString(" =")
		if k.Value != "" {
			b.WriteByte(' ')
			b.WriteString(k.Value)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// SysctlKey returns a key as sysctl(8) writes it, from either form: the first
// separator decides, so net/ipv4/conf/eth0.5/forwarding is
// net.ipv4.conf.eth0/5.forwarding.
func SysctlKey(key string) string {
	if i := strings.IndexAny(key, "./"); i < 0 || key[i] == '.' {
		return key
	}
	return exchange(key)
}

// SysctlPath returns the file below /proc/sys of a key as SysctlKey returns it.
func SysctlPath(key string) string { return exchange(key) }

func exchange(key string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}

// plainKey refuses keys whose path would leave /proc/sys/net.
func plainKey(key string) bool {
	for part := range strings.SplitSeq(SysctlPath(key), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
