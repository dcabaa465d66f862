package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// Text writes how many rules of each chain packets met, and those that none
// met, with the script's lines.
func (c *Coverage) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "coverage: %s\n", share(c.Met, c.Rules))
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for i := range c.Chains {
		ch := &c.Chains[i]
		switch {
		case !ch.Counted:
			fmt.Fprintf(tw, "  %s\tnot counted: the kernel does not tell\n", ch.place())
			continue
		case len(ch.Rules) == 0:
			continue
		}
		fmt.Fprintf(tw, "  %s\t%s\n", ch.place(), share(ch.met(), len(ch.Rules)))
	}
	tw.Flush()
	if c.Met < c.Rules {
		b.WriteString("met by no packet:\n")
		tw = tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		for i := range c.Chains {
			for j, r := range c.Chains[i].Rules {
				if c.Chains[i].Counted && r.Packets == 0 {
					fmt.Fprintf(tw, "  %s\t%s\n", orDash(r.Source), c.Chains[i].command(j))
				}
			}
		}
		tw.Flush()
	}
	if slices.ContainsFunc(c.Chains, func(ch ChainCoverage) bool { return ch.untested() }) {
		b.WriteString("policies that dropped no packet:\n")
		for i := range c.Chains {
			if ch := &c.Chains[i]; ch.untested() {
				fmt.Fprintf(&b, "  %s\n", ch.place())
			}
		}
	}
	_, err := io.WriteString(w, termsafe.Text(b.String()))
	return err
}

// Lines writes every rule with the number of packets that met it and the
// script's line.
func (c *Coverage) Lines(w io.Writer) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "PACKETS\tLINE\tRULE\n")
	for i := range c.Chains {
		ch := &c.Chains[i]
		for j, r := range ch.Rules {
			n := fmt.Sprint(r.Packets)
			if !ch.Counted {
				n = "?"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\n", n, orDash(r.Source), ch.command(j))
		}
		if ch.PolicyPackets != nil {
			fmt.Fprintf(tw, "%d\t-\t%s\n", *ch.PolicyPackets, ch.policyCommand())
		}
	}
	tw.Flush()
	fmt.Fprintf(&b, "coverage: %s\n", share(c.Met, c.Rules))
	_, err := io.WriteString(w, termsafe.Text(b.String()))
	return err
}

func share(met, of int) string {
	if of == 0 {
		return "there are no rules"
	}
	unit := "rules"
	if of == 1 {
		unit = "rule"
	}
	return fmt.Sprintf("%.1f%%  %d of %d %s", percent(met, of), met, of, unit)
}

// place names a chain: "iptables filter INPUT", "nft inet mine input".
func (c *ChainCoverage) place() string {
	tool := "nft " + string(c.Family)
	if !c.Native {
		tool = string(c.Family.XTables())
	}
	return tool + " " + c.Table + " " + c.Chain
}

// command is a rule as fwc show --lines has it.
func (c *ChainCoverage) command(i int) string {
	if c.Native {
		return fmt.Sprintf("nft %s %s %s %s", c.Family, c.Table, c.Chain, c.Rules[i].Text)
	}
	return fmt.Sprintf("%s -t %s -A %s %s", c.Family.XTables(), c.Table, c.Chain, c.Rules[i].Text)
}

// policyCommand is the policy as command is a rule.
func (c *ChainCoverage) policyCommand() string {
	if c.Native {
		return fmt.Sprintf("nft %s %s %s policy %s", c.Family, c.Table, c.Chain, c.Policy)
	}
	return fmt.Sprintf("%s -t %s -P %s %s", c.Family.XTables(), c.Table, c.Chain, c.Policy)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
