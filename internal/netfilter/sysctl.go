package netfilter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/fwc-dev/fwc/ruleset"
)

// sysctlPath returns the file of a key below net. In a key, dots and slashes
// change places with those of the path: net.ipv4.conf.eth0/1.forwarding is
// /proc/sys/net/ipv4/conf/eth0.1/forwarding. See sysctl(8).
func sysctlPath(key string) (string, error) {
	path := strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
	parts := strings.Split(path, "/")
	// No glob and nothing that a line "KEY = VALUE" would hold otherwise.
	bad := len(parts) < 2 || parts[0] != "net" || strings.ContainsAny(path, "=*?[ ") ||
		strings.ContainsFunc(path, unicode.IsControl)
	for _, p := range parts {
		bad = bad || p == "" || p == "." || p == ".."
	}
	if bad {
		return "", fmt.Errorf("sysctl %q is no key below net", key)
	}
	return "/proc/sys/" + path, nil
}

// readSysctl returns a key's value with single spaces between its fields.
func readSysctl(key string) (string, error) {
	path, err := sysctlPath(key)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("sysctl %s: %w", key, err)
	}
	return strings.Join(strings.Fields(string(text)), " "), nil
}

func readSysctls(keys []string) (ruleset.Dump, error) {
	var b bytes.Buffer
	keys = slices.Clone(keys)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		v, err := readSysctl(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return ruleset.Dump{}, err
		}
		fmt.Fprintf(&b, "%s = %s\n", key, v)
	}
	return ruleset.Dump{Kind: ruleset.SysctlSet, Text: b.Bytes()}, nil
}

// SetSysctls writes kernel parameters and reads them back. The order is its
// own: forwarding switches reset other keys, and keys of "all" and "default"
// those of interfaces, so they go first. An error is a *LoadError that names
// the key and its line.
func SetSysctls(sysctls []ruleset.Sysctl) error {
	type entry struct {
		ruleset.Sysctl
		line int
	}
	var order []entry
	for i, s := range sysctls {
		order = append(order, entry{s, i + 1})
	}
	slices.SortStableFunc(order, func(a, b entry) int { return sysctlRank(a.Key) - sysctlRank(b.Key) })
	fail := func(e entry, err error) error {
		return &LoadError{Dump: ruleset.Dump{Kind: ruleset.SysctlSet}.Name(), Line: e.line,
			Text: e.Key + " = " + e.Value, Tool: "kernel", Msg: err.Error(), Err: err}
	}
	for _, e := range order {
		path, err := sysctlPath(e.Key)
		if err != nil {
			return fail(e, err)
		}
		if strings.ContainsAny(e.Value, "\x00\n\r") {
			return fail(e, fmt.Errorf("sysctl %s: %q is more than one line", e.Key, e.Value))
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(e.Value + "\n")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fail(e, fmt.Errorf("sysctl %s: %w", e.Key, err))
		}
	}
	for _, e := range order {
		got, err := readSysctl(e.Key)
		if errors.Is(err, fs.ErrPermission) {
			continue // a trigger such as net.ipv4.route.flush
		}
		if err != nil {
			return fail(e, err)
		}
		if want := strings.Join(strings.Fields(e.Value), " "); got != want {
			return fail(e, fmt.Errorf("sysctl %s is %q after writing %q", e.Key, got, want))
		}
	}
	return nil
}

func sysctlRank(key string) int {
	switch {
	case strings.HasSuffix(key, ".ip_forward"):
		return 0
	case strings.HasPrefix(key, "net.ipv4.conf.all."), strings.HasPrefix(key, "net.ipv6.conf.all."):
		return 1
	case strings.HasPrefix(key, "net.ipv4.conf.default."), strings.HasPrefix(key, "net.ipv6.conf.default."):
		return 2
	}
	return 3
}
