package apply

import (
	"fmt"
	"slices"
	"strings"
)

// Kept is what one manager, or one pattern of the user's, keeps of the content
// of others, counted: a host of Kubernetes has hundreds of chains.
type Kept struct {
	// By is the manager, or the pattern; "" for neither.
	By string
	// Names are the patterns of the manager that names of the content match.
	Names []string

	things map[string]int // of each kind
}

// SumUp counts a list of what is kept, by who keeps it, in the order of the
// list.
func SumUp(list []Foreign) (out []Kept) {
	for _, f := range list {
		i := slices.IndexFunc(out, func(k Kept) bool { return k.By == f.KeptBy })
		if i < 0 {
			i = len(out)
			out = append(out, Kept{By: f.KeptBy, things: map[string]int{}})
		}
		k := &out[i]
		switch f.Kind {
		case "members", "elements":
			k.things[strings.TrimSuffix(f.Kind, "s")] += f.Count
		case "chain", "table":
			k.things["rule"] += f.Count
			fallthrough
		default:
			k.things[f.Kind]++
		}
		if n := patternOf(f); n != "" && !slices.Contains(k.Names, n) {
			k.Names = append(k.Names, n)
		}
	}
	return out
}

// patternOf returns the pattern of its manager that the name of something
// matches, or "".
func patternOf(f Foreign) string {
	i := slices.IndexFunc(managers, func(m manager) bool { return m.name == f.Manager })
	if i < 0 {
		return ""
	}
	switch m := &managers[i]; f.Kind {
	case "chain":
		return m.chains.match(f.Chain)
	case "set", "members":
		return m.sets.match(f.Set)
	case "table":
		return m.tables.match(nativeName(f.Family, f.Table))
	}
	return ""
}

// mostNames is how many patterns a line names.
const mostNames = 4

// String is one line: "Kubernetes (KUBE-*, cali-*): 214 chains, 1,032 rules".
func (k Kept) String() string {
	s := k.By
	if s == "" {
		s = "of others"
	}
	if n := k.Names; len(n) > mostNames {
		s += " (" + strings.Join(n[:mostNames], ", ") + ", …)"
	} else if len(n) > 0 {
		s += " (" + strings.Join(n, ", ") + ")"
	}
	var counts []string
	for _, kind := range []string{"table", "chain", "rule", "policy", "set", "member", "object", "element"} {
		switch n := k.things[kind]; {
		case n == 1:
			counts = append(counts, "1 "+kind)
		case n > 1 && kind == "policy":
			counts = append(counts, grouped(n)+" policies")
		case n > 1:
			counts = append(counts, grouped(n)+" "+kind+"s")
		}
	}
	return s + ": " + strings.Join(counts, ", ")
}

// grouped writes a number as people read it: 1,032.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
