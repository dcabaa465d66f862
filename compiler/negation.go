package compiler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// A loss that comparing kernel objects cannot show happens before the kernel:
// iptables-nft 1.8.9 takes "! --dport 0:65535", which matches nothing, for no
// option at all, and makes a rule that matches everything. What is lost that
// way is a negation of a whole range. So every rule that has a negation is
// made once more, in a namespace of its own, and must have as many
// negations in its save as in its call.

// negations counts the negations of a rule's arguments. Words that are text,
// such as a comment, may be anything.
func negations(args []string) int {
	n := 0
	for i, a := range args {
		if a == "!" && (i == 0 || !slices.Contains(textOptions, args[i-1])) {
			n++
		}
	}
	return n
}

var textOptions = []string{"--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string"}

// negated is one rule that has a negation.
type negated struct {
	call  int // index
	line  int // of what a restore read, or 0
	count int
	table string
	chain string
	rule  []string // without command, chain and table
}

// negatedRules returns the rules to look at, of one program of the nft
// backend. On the legacy one the kernel's entry still has the negation.
func (s *stage) negatedRules(calls []Call, kind ruleset.Kind, plain ruleset.Backend) []negated {
	var list []negated
	for i := range calls {
		c := &calls[i]
		name, restore := strings.CutSuffix(c.Tool, "-restore")
		nft := name == string(kind)+"-nft" || name == string(kind) && plain == ruleset.NFT
		switch {
		case !nft || c.Status != 0:
		case restore && c.input != "":
			list = append(list, s.restored(i, c)...)
		case slices.Contains(c.Args, "!"):
			if n := c.negated(); n != nil {
				n.call = i
				list = append(list, *n)
			}
		}
	}
	return list
}

// negated returns the call's rule if it has a negation.
func (c *Call) negated() *negated {
	table, chain := c.target()
	n := negations(c.Args)
	if chain == "" || n == 0 {
		return nil
	}
	return &negated{count: n, table: table, chain: chain, rule: c.ruleSpec()}
}

// ruleSpec returns the arguments of a rule's call without its table, command,
// chain, rule number and the options of the program itself.
func (c *Call) ruleSpec() []string {
	args := c.appended()
	var spec []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; a {
		case "-t", "--table", "-A", "--append", "-c", "--set-counters":
			i++
			if a == "-c" || a == "--set-counters" {
				i++
			}
		case "-w", "--wait", "-W", "--wait-interval":
			if i+1 < len(args) && args[i+1] != "" && strings.Trim(args[i+1], "0123456789") == "" {
				i++
			}
		case "-v", "--verbose", "-n", "--numeric", "-4", "--ipv4", "-6", "--ipv6", "-x", "--exact":
		default:
			spec = append(spec, a)
		}
	}
	return spec
}

// marker begins a comment that no save needs to quote.
const marker = "fwc-"

// lostNegation returns the call whose negation is lost, or nil.
// What cannot be checked is a warning.
func (s *stage) lostNegation(ctx context.Context, snap *ruleset.Snapshot, calls []Call, plain ruleset.Backend) (l *loss, warnings []string) {
	for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables} {
		list := s.negatedRules(calls, kind, plain)
		if len(list) == 0 {
			continue
		}
		l, err := s.checkNegations(ctx, snap, kind, list)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("whether %s saves every negation could not be checked: %v", kind, err))
		}
		if l != nil {
			return l, warnings
		}
	}
	return nil, warnings
}

// maxDropped bounds how many rules that cannot be made again are left out.
const maxDropped = 100

func (s *stage) checkNegations(ctx context.Context, snap *ruleset.Snapshot, kind ruleset.Kind, list []negated) (*loss, error) {
	var made *ruleset.Snapshot
	err := netns.Do(func() error {
		if sets := snap.Dump(ruleset.IPSet, ""); sets != nil {
			if err := netfilter.Restore(ctx, *sets, netfilter.RestoreOptions{}); err != nil {
				return err
			}
		}
		text := negationDump(snap, kind, list)
		for dropped := 0; ; dropped++ {
			d := ruleset.Dump{Kind: kind, Backend: ruleset.NFT, Text: text}
			err := netfilter.Load(ctx, ruleset.New([]ruleset.Dump{d}, nil, nil, nil))
			if err == nil {
				break
			}
			// A rule that was possible at its time, say with a set that is
			// gone, cannot be made again: leave it out.
			var le *netfilter.LoadError
			if !errors.As(err, &le) || le.Line == 0 || dropped == maxDropped {
				return err
			}
			shorter := withoutLine(text, le.Line)
			if len(shorter) == len(text) {
				return err
			}
			text = shorter
		}
		var err error
		made, err = netfilter.Capture(ctx, netfilter.Scope{})
		return err
	})
	if err != nil {
		return nil, err
	}
	return compareNegations(made, kind, list), nil
}

// negationDump is an input for iptables-restore with all rules of the list,
// each followed by a rule that marks its end.
func negationDump(snap *ruleset.Snapshot, kind ruleset.Kind, list []negated) []byte {
	var tables []string
	for _, n := range list {
		if !slices.Contains(tables, n.table) {
			tables = append(tables, n.table)
		}
	}
	var b strings.Builder
	for _, name := range tables {
		fmt.Fprintf(&b, "*%s\n", name)
		declared := map[string]bool{}
		declare := func(chain, policy string) {
			if !declared[chain] {
				declared[chain] = true
				fmt.Fprintf(&b, ":%s %s [0:0]\n", chain, policy)
			}
		}
		if t := snap.Table(ruleset.NFT, kind.Family(), name); t != nil {
			for _, c := range t.Chains {
				if c.Builtin() {
					declare(c.Name, "ACCEPT")
				} else {
					declare(c.Name, "-")
				}
			}
		}
		for i, n := range list {
			if n.table != name {
				continue
			}
			fmt.Fprintf(&b, "-A %s", restoreQuote(n.chain))
			for _, a := range n.rule {
				b.WriteString(" " + restoreQuote(a))
			}
			fmt.Fprintf(&b, "\n-A %s -m comment --comment %s%d\n", restoreQuote(n.chain), marker, i)
		}
		b.WriteString("COMMIT\n")
	}
	return []byte(b.String())
}

// restoreQuote quotes a word for iptables-restore, which knows double quotes
// and the backslash inside them.
func restoreQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// withoutLine removes a line, counted from 1, if it is a rule.
func withoutLine(text []byte, line int) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	if line < 1 || line > len(lines) || !strings.HasPrefix(lines[line-1], "-A ") {
		return text
	}
	return []byte(strings.Join(slices.Delete(lines, line-1, line), ""))
}

// compareNegations reads the rules between the marks.
func compareNegations(made *ruleset.Snapshot, kind ruleset.Kind, list []negated) *loss {
	for _, t := range made.Tables {
		if t.Family != kind.Family() || t.Backend != ruleset.NFT || t.Native {
			continue
		}
		for _, c := range t.Chains {
			var group []string
			for _, r := range c.Rules {
				_, mark, ok := strings.Cut(r.Text, "--comment "+marker)
				index, err := strconv.Atoi(mark)
				if ok && err == nil && index >= 0 && index < len(list) {
					if l := list[index].lost(group); l != nil {
						return l
					}
					group = nil
					continue
				}
				group = append(group, r.Text)
			}
		}
	}
	return nil
}

// lost looks at the rules that a call's rule became.
func (n *negated) lost(made []string) *loss {
	for _, text := range made {
		if negations(strings.Fields(text)) >= n.count {
			continue
		}
		what := fmt.Sprintf("a negation is lost: the rule became %q", text)
		if n.line > 0 {
			what = fmt.Sprintf("a negation in line %d of its input is lost: the rule became %q", n.line, text)
		}
		return &loss{Call: n.call, What: what}
	}
	return nil
}
