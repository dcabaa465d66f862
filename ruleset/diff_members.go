package ruleset

import "strings"

// memberKey is what identifies an ipset member among its set: the entry
// without its options, as in "192.0.2.1 timeout 60".
func memberKey(m string) string {
	key, _, _ := strings.Cut(m, " ")
	return key
}

// elementKey is what identifies an element of a native set or map: the key
// without the value of a map, "80 : drop".
func elementKey(e string) string {
	key, _, _ := strings.Cut(e, " : ")
	return key
}

// unordered adds the difference of two multisets of texts: what was removed
// and changed in the order of a, then what was added in the order of b. A text
// removed and one added with the same key are one change.
func (d *differ) unordered(subject Subject, object string, a, b []string, key func(string) string, place Change) {
	gone := make(map[string]int) // texts of a that b may still match
	for _, m := range a {
		gone[m]++
	}
	var added []string
	for _, m := range b {
		if gone[m] > 0 {
			gone[m]--
			continue
		}
		added = append(added, m)
	}
	byKey := make(map[string][]int, len(added))
	for i, m := range added {
		byKey[key(m)] = append(byKey[key(m)], i)
	}
	paired := make([]bool, len(added))
	for _, m := range a {
		if gone[m] == 0 {
			continue
		}
		gone[m]--
		new := ""
		if q := byKey[key(m)]; len(q) > 0 {
			byKey[key(m)], paired[q[0]], new = q[1:], true, added[q[0]]
		}
		d.text(subject, object, m, new, place)
	}
	for i, m := range added {
		if !paired[i] {
			d.text(subject, object, "", m, place)
		}
	}
}

// ordered adds the difference of two sequences of members.
func (d *differ) ordered(object string, a, b []string, place Change) {
	for _, s := range sequence(len(a), len(b), func(i int) string { return a[i] }, func(i int) string { return b[i] }, nil) {
		c := place
		c.Subject, c.Object, c.Kind = SubjectMember, object, s.kind
		if s.old >= 0 {
			c.Old, c.OldIndex = a[s.old], s.old+1
		}
		if s.new >= 0 {
			c.New, c.NewIndex = b[s.new], s.new+1
		}
		d.add(c)
	}
}
