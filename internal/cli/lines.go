package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/internal/termsafe"
)

// showLines prints every rule and set of the first build with the line of the
// script that made it, "-" where that is not known.
func showLines(out io.Writer, a *artifact.Artifact) error {
	snap, err := snapshotOf(a, 0)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(source, text string) {
		if source == "" {
			source = "-"
		}
		fmt.Fprintf(w, "%s\t%s\n", termsafe.String(source), termsafe.String(text))
	}
	for _, s := range snap.Sets {
		row(s.Source.String(), "create "+s.Name+" "+s.Type)
	}
	for _, t := range snap.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if t.Native {
					row("", fmt.Sprintf("nft %s %s %s %s", t.Family, t.Name, c.Name, r.Text))
					continue
				}
				row(r.Source.String(), fmt.Sprintf("%s -t %s -A %s %s", t.Family.XTables(), t.Name, c.Name, r.Text))
			}
		}
	}
	return w.Flush()
}
