package packets

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRelated bounds the unknowns of one match that are held against another.
const maxRelated = 64

// relations are what is known of unknowns beside one another: no packet has
// two owners, and one that comes between nine and five comes between eight and
// six. Without them a wider window would seem to block what a narrower one let
// pass.
func (u *universe) relations() []*condition {
	kinds := map[string][]int{}
	var order []string
	for n, a := range u.atoms {
		if name, _, ok := strings.Cut(strings.TrimPrefix(a.Text, "-m "), " "); ok && related[name] != nil {
			key := name + "\n" + a.Scope
			if kinds[key] == nil {
				order = append(order, key)
			}
			kinds[key] = append(kinds[key], n)
		}
	}
	var out []*condition
	for _, key := range order {
		list := kinds[key]
		if len(list) > maxRelated {
			continue
		}
		name, _, _ := strings.Cut(key, "\n")
		for i, x := range list {
			for _, y := range list[i+1:] {
				out = append(out, u.relation(related[name], x, y)...)
			}
		}
	}
	return out
}

func (u *universe) relation(compare func(x, y options) (implies, implied, excludes bool), x, y int) []*condition {
	p, q := optionsOf(u.atoms[x].Text), optionsOf(u.atoms[y].Text)
	if p == nil || q == nil {
		return nil
	}
	a, b := &condition{op: atomic, atom: x}, &condition{op: atomic, atom: y}
	implies, implied, excludes := compare(p, q)
	var out []*condition
	if implies {
		out = append(out, anyOf(negate(a, u.v6), b))
	}
	if implied {
		out = append(out, anyOf(a, negate(b, u.v6)))
	}
	if excludes {
		out = append(out, anyOf(negate(a, u.v6), negate(b, u.v6)))
	}
	return out
}

// options are a match's, each with its one value or none.
type options map[string]string

// optionsOf reads the text of an unknown, nil if it has more than single
// words.
func optionsOf(text string) options {
	words := strings.Fields(text)
	if len(words) < 2 || strings.ContainsAny(text, `"'`) {
		return nil
	}
	out := options{}
	for i := 2; i < len(words); i++ {
		name := words[i]
		if !strings.HasPrefix(name, "--") {
			return nil
		}
		out[name] = ""
		if i+1 < len(words) && !strings.HasPrefix(words[i+1], "--") && words[i+1] != "!" {
			i++
			out[name] = words[i]
		}
	}
	return out
}

// same says that two have the same options but for some.
func (o options) same(other options, but ...string) bool {
	count := 0
	for name, value := range o {
		if slices.Contains(but, name) {
			continue
		}
		if v, ok := other[name]; !ok || v != value {
			return false
		}
		count++
	}
	for name := range other {
		if !slices.Contains(but, name) {
			count--
		}
	}
	return count == 0
}

// related are the matches of which two can be compared.
var related = map[string]func(x, y options) (implies, implied, excludes bool){
	"owner": compareOwners, "time": compareTimes, "connlimit": compareCounts, "recent": compareHits,
}

// compareOwners is of one range of users or groups each; a packet without a
// socket has no owner (owner_mt of net/netfilter/xt_owner.c).
func compareOwners(x, y options) (implies, implied, excludes bool) {
	for _, name := range []string{"--uid-owner", "--gid-owner"} {
		a, ok := numbersOf(x, name)
		b, ok2 := numbersOf(y, name)
		if ok && ok2 && len(x) == 1 && len(y) == 1 {
			return a.within(b), b.within(a), a.low.lo > b.high.lo || b.low.lo > a.high.lo
		}
	}
	return false, false, false
}

// within says whether the other span holds all of this one.
func (s span) within(o span) bool { return !s.low.less(o.low) && !o.high.less(s.high) }

func numbersOf(o options, name string) (span, bool) {
	low, high, isRange := strings.Cut(o[name], "-")
	if !isRange {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 32)
	b, err2 := strconv.ParseUint(high, 10, 32)
	return span{number(a), number(b)}, err == nil && err2 == nil
}

// compareCounts is of two numbers of connections, counted alike.
func compareCounts(x, y options) (implies, implied, excludes bool) {
	for name, larger := range map[string]bool{"--connlimit-above": true, "--connlimit-upto": false} {
		a, ok := numbersOf(x, name)
		b, ok2 := numbersOf(y, name)
		if ok && ok2 && x.same(y, name) {
			return larger == (a.low.lo > b.low.lo), larger == (a.low.lo < b.low.lo), false
		}
	}
	return false, false, false
}

// compareHits is of how often and within how many seconds an address was seen
// (recent_mt of net/netfilter/xt_recent.c).
func compareHits(x, y options) (implies, implied, excludes bool) {
	if !x.same(y, "--hitcount", "--seconds") {
		return false, false, false
	}
	value := func(o options, name string, otherwise uint64) uint64 {
		if n, ok := numbersOf(o, name); ok {
			return n.low.lo
		}
		return otherwise
	}
	less := func(a, b options) bool {
		return value(a, "--hitcount", 1) >= value(b, "--hitcount", 1) && value(a, "--seconds", 1<<32) <= value(b, "--seconds", 1<<32)
	}
	return less(x, y), less(y, x), false
}

// compareTimes is of hours and days of the week; the rest has to be the same
// (time_mt of net/netfilter/xt_time.c).
func compareTimes(x, y options) (implies, implied, excludes bool) {
	hours := []string{"--timestart", "--timestop", "--weekdays"}
	if _, ok := x["--contiguous"]; ok || !x.same(y, hours...) {
		return false, false, false
	}
	a, ok := weekOf(x)
	b, ok2 := weekOf(y)
	if !ok || !ok2 {
		return false, false, false
	}
	return a.less(b), b.less(a), !a.meets(b)
}

// week is a part of each of some days: the seconds from midnight.
type week struct {
	days    [7]bool
	seconds spans
}

const lastSecond = 24*60*60 - 1

func weekOf(o options) (week, bool) {
	w := week{seconds: spans{{number(0), number(lastSecond)}}}
	start, ok := clock(o, "--timestart", 0)
	stop, ok2 := clock(o, "--timestop", lastSecond)
	switch {
	case !ok || !ok2:
		return w, false
	case start < stop:
		w.seconds = spans{{number(start), number(stop)}}
	case stop+1 < start: // over midnight
		w.seconds = spans{{number(0), number(stop)}, {number(start), number(lastSecond)}}
	}
	list, some := o["--weekdays"]
	if !some {
		list = strings.Join(weekdays, ",")
	}
	for _, day := range strings.Split(list, ",") {
		i := slices.Index(weekdays, day)
		if i < 0 {
			return w, false
		}
		w.days[i] = true
	}
	return w, true
}

var weekdays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

func clock(o options, name string, otherwise uint64) (uint64, bool) {
	text, ok := o[name]
	if !ok {
		return otherwise, true
	}
	t, err := time.Parse(time.TimeOnly, text)
	return uint64(t.Hour()*3600 + t.Minute()*60 + t.Second()), err == nil
}

func (w week) less(o week) bool {
	for i := range w.days {
		if w.days[i] && !o.days[i] {
			return false
		}
	}
	for _, s := range w.seconds {
		if !slices.ContainsFunc(o.seconds, s.within) {
			return false
		}
	}
	return true
}

func (w week) meets(o week) bool {
	days := false
	for i := range w.days {
		days = days || w.days[i] && o.days[i]
	}
	return days && slices.ContainsFunc(w.seconds, func(s span) bool {
		return slices.ContainsFunc(o.seconds, func(t span) bool { return !t.high.less(s.low) && !s.high.less(t.low) })
	})
}
