package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// chain adds a chain's heading, its head's changes, and its rules among the
// unchanged ones.
func (w *writer) chain(items []Item, context *Context) {
	if context == nil {
		context = &Context{}
	}
	title := "chain " + items[0].Chain
	var about []string
	if context.Policy != "" {
		about = append(about, "policy "+context.Policy)
	}
	switch {
	case context.OldRules != context.Rules:
		about = append(about, fmt.Sprintf("%s → %s rules", grouped(context.OldRules), grouped(context.Rules)))
	case context.Rules > 0:
		about = append(about, grouped(context.Rules)+mayBe(context.Rules == 1, " rule")+mayBe(context.Rules != 1, " rules"))
	}
	w.places[len(w.places)-1].about = strings.Join(about, ", ")
	if len(about) > 0 {
		title += " (" + strings.Join(about, ", ") + ")"
	}
	w.lines = append(w.lines, line{mark: heading, text: title})

	near := context.Near
	last := 0 // position in the new chain of the last unchanged rule shown, or -1
	unseen := func(n NearRule) int { return n.NewIndex - last - 1 }
	for i := range items {
		it := &items[i]
		if it.Subject != ruleset.SubjectRule {
			name := string(it.Subject)
			if it.Subject == ruleset.SubjectChain {
				name = "" // the declaration says it
			}
			w.plain(it, name)
			continue
		}
		for len(near) > 0 && before(near[0], it) {
			w.near(near[0], unseen(near[0]))
			last, near = near[0].NewIndex, near[1:]
		}
		if it.NewIndex > last+1 && it.NewIndex > 0 {
			w.lines = append(w.lines, line{mark: skipped, gap: it.NewIndex - last - 1})
		}
		last = max(last, it.NewIndex)
		w.rule(it)
	}
	for _, n := range near {
		w.near(n, unseen(n))
		last = n.NewIndex
	}
	if context.Rules > last && last > 0 {
		w.lines = append(w.lines, line{mark: skipped, gap: context.Rules - last})
	}
}

// before says whether an unchanged rule stands before a changed one.
func before(n NearRule, it *Item) bool {
	if it.NewIndex > 0 {
		return n.NewIndex < it.NewIndex
	}
	return n.OldIndex < it.OldIndex
}

func (w *writer) near(n NearRule, gap int) {
	if gap > 0 {
		w.lines = append(w.lines, line{mark: skipped, gap: gap})
	}
	w.lines = append(w.lines, line{mark: unchanged, old: n.OldIndex, new: n.NewIndex, text: n.Text})
}

func (w *writer) rule(it *Item) {
	switch it.Kind {
	case ruleset.Changed:
		w.lines = append(w.lines, line{mark: changedOld, old: it.OldIndex, text: it.Old, source: it.OldSource},
			line{mark: changedNew, new: it.NewIndex, text: it.New, source: it.Source})
	case ruleset.Removed:
		w.lines = append(w.lines, line{mark: removed, old: it.OldIndex, text: it.Old, source: it.OldSource})
	default:
		w.lines = append(w.lines, line{mark: markOf(it.Kind), old: it.OldIndex, new: it.NewIndex, text: it.New, source: it.Source})
	}
}
