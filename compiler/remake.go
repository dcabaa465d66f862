package compiler

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// remade is what the tools make of a rule that is loaded and saved alone.
type remade struct {
	rules []string // canonical
	err   error    // it cannot be loaded, or not saved
}

// maxLoads bounds how often rules are tried; a bad one costs a few.
const maxLoads = 300

// remake makes rules once more, in namespaces of their own that have the
// snapshot's sets: each in a chain of its own, where no hook restricts it.
func (s *stage) remake(ctx context.Context, snap *ruleset.Snapshot, p *past, list []suspect) ([]remade, error) {
	out := make([]remade, len(list))
	loads := 0
	var try func(from, to int) error
	try = func(from, to int) error {
		if from >= to {
			return nil
		}
		loads++
		var made *ruleset.Snapshot
		err := fmt.Errorf("too many rules of this kind cannot be made again")
		if loads <= maxLoads {
			made, err = s.load(ctx, snap, p.sheet(snap, list, from, to))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			collect(out, made, p.program)
			return nil
		}
		if to-from == 1 || loads > maxLoads {
			for i := from; i < to; i++ {
				out[i].err = plain(err)
			}
			return nil
		}
		// The line in question alone, and what is before and after it.
		if bad := badLine(err); bad >= from && bad < to {
			out[bad].err = plain(err)
			if err := try(from, bad); err != nil {
				return err
			}
			return try(bad+1, to)
		}
		half := (from + to) / 2
		if err := try(from, half); err != nil {
			return err
		}
		return try(half, to)
	}
	return out, try(0, len(list))
}

// plain leaves out of an error what is about the copy.
func plain(err error) error {
	var le *netfilter.LoadError
	if errors.As(err, &le) {
		return errors.New(le.Tool + ": " + le.Msg)
	}
	return err
}

// remakeChain begins the name of the chain that a suspect's rule is made in.
const remakeChain = "fwc-"

// badLine returns the number of the suspect whose line does not load, or -1.
func badLine(err error) int {
	var le *netfilter.LoadError
	if errors.As(err, &le) {
		return suspectOf(strings.TrimPrefix(le.Text, "-A "))
	}
	return -1
}

// suspectOf reads the number at the end of a chain's name.
func suspectOf(name string) int {
	n := -1
	if rest, ok := strings.CutPrefix(name, remakeChain); ok {
		if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
			return -1
		}
	}
	return n
}

// load loads a dump and captures what became of it.
func (s *stage) load(ctx context.Context, snap *ruleset.Snapshot, d ruleset.Dump) (made *ruleset.Snapshot, err error) {
	err = netns.Do(func() error {
		if snap != nil {
			if sets := snap.Dump(ruleset.IPSet, ""); sets != nil {
				if err := netfilter.Restore(ctx, *sets, netfilter.RestoreOptions{}); err != nil {
					return err
				}
			}
		}
		if err := netfilter.Load(ctx, ruleset.New([]ruleset.Dump{d}, nil, nil, nil)); err != nil {
			return err
		}
		var err error
		made, err = netfilter.Capture(ctx, netfilter.Scope{})
		return err
	})
	return made, err
}

// sheet is a dump with the rules of some suspects.
func (p *past) sheet(snap *ruleset.Snapshot, list []suspect, from, to int) ruleset.Dump {
	var order []string
	tables := map[string]*ruleset.Table{}
	for i := from; i < to; i++ {
		x := &list[i]
		t := tables[x.table]
		if t == nil {
			t = &ruleset.Table{Family: p.kind.Family(), Backend: p.backend, Name: x.table, Chains: p.userChains(snap, x.table)}
			tables[x.table] = t
			order = append(order, x.table)
		}
		text := x.text
		if text == "" {
			text = x.spec()
		}
		t.Chains = append(t.Chains, ruleset.Chain{Name: fmt.Sprintf("%s%d", remakeChain, i), Rules: []ruleset.Rule{{Text: text}}})
	}
	var all []ruleset.Table
	for _, name := range order {
		all = append(all, *tables[name])
	}
	return ruleset.Dump{Kind: p.kind, Backend: p.backend, Text: xtables.Format(all)}
}

// userChains are the chains that a rule may go to, empty.
func (p *past) userChains(snap *ruleset.Snapshot, table string) []ruleset.Chain {
	builtin := map[string]bool{}
	for _, name := range xtables.BuiltinChains(p.kind, table) {
		builtin[name] = true
	}
	var chains []ruleset.Chain
	add := func(name string) {
		if name != "" && !builtin[name] {
			builtin[name] = true
			chains = append(chains, ruleset.Chain{Name: name})
		}
	}
	for name := range p.chains[table] {
		add(name)
	}
	if snap != nil {
		for _, t := range snap.Tables {
			if !t.Native && t.Family.XTables() == p.kind && t.Backend == p.backend && t.Name == table {
				for _, c := range t.Chains {
					if !c.Builtin() {
						add(c.Name)
					}
				}
			}
		}
	}
	return chains
}

// collect reads what became of the rules.
func collect(out []remade, made *ruleset.Snapshot, p program) {
	for _, t := range made.Tables {
		if t.Native || t.Family.XTables() != p.kind || t.Backend != p.backend {
			continue
		}
		for _, c := range t.Chains {
			if i := suspectOf(c.Name); i >= 0 && i < len(out) {
				out[i].rules = nil
				for _, r := range c.Rules {
					out[i].rules = append(out[i].rules, r.Text)
				}
			}
		}
	}
}

// spec is the rule of a call that was not understood, as a restore reads it:
// its words without the command, the chain and the options of the program.
func (a *addition) spec() string {
	c := Call{Args: a.words}
	var b strings.Builder
	for i, w := range c.ruleSpec() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(restoreQuote(w))
	}
	return b.String()
}

// restoreQuote quotes a word for iptables-restore, which knows double quotes
// and the backslash inside them.
func restoreQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
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
