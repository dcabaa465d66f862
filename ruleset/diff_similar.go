package ruleset

import (
	"cmp"
	"slices"
	"strings"
)

// similarity judges whether two rules are one rule before and after an edit.
// A rule is a bag of units, an option with its values such as "-s 10.0.0.0/8".
// A unit that both rules have counts 1, an option that both have with other
// values counts 0.4: "-s A -j DROP" and "-s B -j DROP" are evidently one
// rule, "-s A -j DROP" and "-s B -j ACCEPT" are not.
type similarity struct {
	a, b   []Rule
	native bool
	ids    map[string]int32
	units  map[*Rule][]unit
}

type unit struct{ option, value int32 }

const (
	sameOption = 0.4
	// evident is the share of equal units from which on two rules are an edit.
	evident = 0.65
	// maxUnits bounds the cost of absurd rules.
	maxUnits = 64
	// maxTable bounds the pairs that are compared each with each; above it
	// each rule is compared with the next few only.
	maxTable = 2500
	window   = 16
)

func newSimilarity(a, b []Rule, native bool) *similarity {
	return &similarity{a: a, b: b, native: native, ids: make(map[string]int32), units: make(map[*Rule][]unit)}
}

// pairs returns the edits among removed indices of a and added indices of b,
// both increasing.
func (s *similarity) pairs(removed, added []int) [][2]int {
	if len(removed)*len(added) <= maxTable {
		return s.align(removed, added)
	}
	return s.scan(removed, added)
}

// align returns the order-keeping pairing with the largest total similarity.
func (s *similarity) align(removed, added []int) [][2]int {
	w := len(added) + 1
	best := make([]float64, (len(removed)+1)*w) // of the rests from (i, j) on
	score := make([]float64, (len(removed)+1)*w)
	for i := len(removed) - 1; i >= 0; i-- {
		for j := len(added) - 1; j >= 0; j-- {
			k := i*w + j
			score[k] = s.score(removed[i], added[j])
			best[k] = max(best[k+w], best[k+1])
			if score[k] >= evident {
				best[k] = max(best[k], score[k]+best[k+w+1])
			}
		}
	}
	var out [][2]int
	for i, j := 0, 0; i < len(removed) && j < len(added); {
		k := i*w + j
		switch {
		case score[k] >= evident && best[k] == score[k]+best[k+w+1]:
			out = append(out, [2]int{removed[i], added[j]})
			i, j = i+1, j+1
		case best[k] == best[k+w]:
			i++
		default:
			j++
		}
	}
	return out
}

// scan pairs each removed rule with the most similar of the next few added
// ones.
func (s *similarity) scan(removed, added []int) [][2]int {
	var out [][2]int
	for j, i := 0, 0; i < len(removed) && j < len(added); i++ {
		best, at := 0.0, -1
		for k := j; k < min(j+window, len(added)); k++ {
			if v := s.score(removed[i], added[k]); v >= evident && v > best {
				best, at = v, k
			}
		}
		if at >= 0 {
			out = append(out, [2]int{removed[i], added[at]})
			j = at + 1
		}
	}
	return out
}

// score returns the similarity of two rules, from 0 to 1.
func (s *similarity) score(i, j int) float64 {
	a, b := s.of(&s.a[i]), s.of(&s.b[j])
	if len(a)+len(b) == 0 {
		return 0
	}
	same, options := 0, 0
	// Both are sorted: merge by unit, then by option.
	for x, y := 0, 0; x < len(a) && y < len(b); {
		switch c := compareUnits(a[x], b[y]); {
		case c == 0:
			same, x, y = same+1, x+1, y+1
		case c < 0:
			x++
		default:
			y++
		}
	}
	for x, y := 0, 0; x < len(a) && y < len(b); {
		switch c := cmp.Compare(a[x].option, b[y].option); {
		case c == 0:
			options, x, y = options+1, x+1, y+1
		case c < 0:
			x++
		default:
			y++
		}
	}
	sum := float64(same) + sameOption*float64(options-same)
	return 2 * sum / float64(len(a)+len(b))
}

func compareUnits(a, b unit) int {
	if c := cmp.Compare(a.option, b.option); c != 0 {
		return c
	}
	return cmp.Compare(a.value, b.value)
}

func (s *similarity) of(r *Rule) []unit {
	if u, ok := s.units[r]; ok {
		return u
	}
	var units []unit
	if s.native {
		for _, word := range strings.FieldsFunc(r.Text, isNativeSeparator) {
			id := s.id(word)
			units = append(units, unit{id, id})
		}
	} else {
		units = s.options(strings.Fields(r.Text))
	}
	if len(units) > maxUnits {
		units = units[:maxUnits]
	}
	slices.SortFunc(units, compareUnits)
	s.units[r] = units
	return units
}

// isNativeSeparator splits native rules, which are JSON or nft's own words.
func isNativeSeparator(r rune) bool { return strings.ContainsRune(" \t{}[],;\"", r) }

// options splits the words of an xtables rule at its options. A "!" belongs to
// the option behind it, as a part of its value.
func (s *similarity) options(words []string) []unit {
	var units []unit
	for i := 0; i < len(words); {
		value := i
		if words[i] == "!" && i+1 < len(words) {
			i++
		}
		option := words[i]
		i++
		for i < len(words) && words[i] != "!" && !strings.HasPrefix(words[i], "-") {
			i++
		}
		units = append(units, unit{s.id(option), s.id(strings.Join(words[value:i], " "))})
	}
	return units
}

func (s *similarity) id(text string) int32 {
	id, ok := s.ids[text]
	if !ok {
		id = int32(len(s.ids))
		s.ids[text] = id
	}
	return id
}
