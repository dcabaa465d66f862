package netfilter

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// narrow finds the rule for which the kernel refuses a legacy table. The
// restore program knows only that the whole was refused, at COMMIT, so narrow
// loads ever other beginnings of the table: the shortest that fails ends in
// the rule. That changes the namespace and is for a throwaway one.
func narrow(ctx context.Context, d ruleset.Dump, err error) error {
	var le *LoadError
	if !errors.As(err, &le) || d.Backend != ruleset.Legacy || strings.TrimSpace(le.Text) != "COMMIT" {
		return err
	}
	lines := bytes.SplitAfter(d.Text, []byte("\n"))
	first := le.Line - 1
	for first > 0 && !bytes.HasPrefix(lines[first], []byte("*")) {
		first--
	}
	var rules []int
	for i := first; i < le.Line-1; i++ {
		if bytes.HasPrefix(lines[i], []byte("-A ")) {
			rules = append(rules, i)
		}
	}
	var other error
	n := sort.Search(len(rules), func(n int) bool {
		// The table with its first n+1 rules.
		part := slices.Concat(lines[first:rules[n]+1], [][]byte{[]byte("COMMIT\n")})
		err := Restore(ctx, ruleset.Dump{Kind: d.Kind, Backend: d.Backend, Text: bytes.Join(part, nil)}, RestoreOptions{})
		var le *LoadError
		if err != nil && !errors.As(err, &le) {
			other = err
		}
		return err != nil
	})
	if other != nil {
		return other
	}
	if n == len(rules) {
		return err
	}
	found := *le
	found.Line, found.Text = rules[n]+1, string(bytes.TrimSpace(lines[rules[n]]))
	found.Msg = "the kernel refuses the rule: " + le.Msg
	return &found
}
