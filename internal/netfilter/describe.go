package netfilter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

func (r *objRule) equal(s *objRule) bool {
	if len(r.exprs) != len(s.exprs) || !bytes.Equal(r.userdata, s.userdata) {
		return false
	}
	for i := range r.exprs {
		a, b := &r.exprs[i], &s.exprs[i]
		if a.name != b.name || !bytes.Equal(a.data, b.data) || !slices.Equal(a.sets, b.sets) {
			return false
		}
	}
	return true
}

// String lists the expressions by name.
func (r *objRule) String() string {
	var names []string
	for _, e := range r.exprs {
		switch e.name {
		case "jump", "goto":
			names = append(names, e.name+" "+cstring(e.data))
		default:
			names = append(names, e.name)
		}
	}
	return strings.Join(names, ", ")
}

// describe says in a sentence what became of rule a in b.
func describe(a, b *objRule) string {
	if x, y := a.String(), b.String(); x != y {
		return fmt.Sprintf("the kernel had [%s] and has [%s]", x, y)
	}
	for i, x := range a.exprs {
		y := b.exprs[i]
		if !slices.Equal(x.sets, y.sets) {
			return fmt.Sprintf("%s (part %d) named ipset %s and names %s", x.name, i+1,
				strings.Join(x.sets, ", "), strings.Join(y.sets, ", "))
		}
		if bytes.Equal(x.data, y.data) {
			continue
		}
		if len(x.data) != len(y.data) {
			return fmt.Sprintf("%s (part %d) had %d bytes and has %d", x.name, i+1, len(x.data), len(y.data))
		}
		from, to := -1, 0
		for j := range x.data {
			if x.data[j] != y.data[j] {
				if from < 0 {
					from = j
				}
				to = j + 1
			}
		}
		const most = 16 // bytes shown
		end := min(to, from+most)
		return fmt.Sprintf("%s (part %d) differs in bytes %d to %d: %x became %x", x.name, i+1, from, to-1,
			x.data[from:end], y.data[from:end])
	}
	return "the rule's comment differs"
}
