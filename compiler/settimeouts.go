package compiler

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// maxSetErrors bounds the lines of recorded ipset calls that are not
// understood.
const maxSetErrors = 20

// lastingTimeouts gives the members of sets the time to live that the calls
// gave them: a save has what is left of it, which depends on how long the
// script ran on. It returns the dumps. Where the calls do not tell, what is
// left stays.
func (s *stage) lastingTimeouts(snap *ruleset.Snapshot, calls []Call) []ruleset.Dump {
	i := slices.IndexFunc(snap.Dumps, func(d ruleset.Dump) bool { return d.Kind == ruleset.IPSet })
	if i < 0 || !strings.Contains(string(snap.Dumps[i].Text), " timeout ") {
		return snap.Dumps
	}
	made := map[string]map[string]string{} // set -> member without its timeout -> member
	replayed, whole := replaySets(s.setLines(calls))
	for _, set := range replayed {
		members := map[string]string{}
		for _, m := range set.Members {
			members[timeless(m)] = m
		}
		made[set.Name] = members
	}
	sets, err := ipset.Parse("ipset.save", snap.Dumps[i].Text)
	if err != nil {
		return snap.Dumps // as it was captured, so it does parse
	}
	for k := range sets {
		set := &sets[k]
		members := made[set.Name]
		for n, m := range set.Members {
			if as, ok := members[timeless(m)]; ok {
				set.Members[n] = as
				delete(members, timeless(m))
			}
		}
		// What is gone by now was there.
		for _, m := range members {
			if whole && m != timeless(m) && !strings.Contains(set.Options, "forceadd") {
				set.Members = append(set.Members, m)
			}
		}
	}
	if sets, err = ipset.Parse("ipset.save", ipset.Format(sets)); err != nil {
		return snap.Dumps
	}
	dumps := slices.Clone(snap.Dumps)
	dumps[i].Text = ipset.Format(sets)
	return dumps
}

// timeless returns a member without its timeout.
func timeless(member string) string {
	before, rest, ok := strings.Cut(member, " timeout ")
	if !ok {
		return member
	}
	_, rest, _ = strings.Cut(rest, " ")
	return strings.TrimSpace(before + " " + rest)
}

// setLines returns the recorded calls of ipset as lines of a restore.
func (s *stage) setLines(calls []Call) []string {
	var lines []string
	for i := range calls {
		c := &calls[i]
		if c.Tool != "ipset" || c.Status != 0 {
			continue
		}
		if c.input == "" {
			if c.ipsetAdds() || !c.ipsetAsks() {
				lines = append(lines, setLine(c.Args))
			}
			continue
		}
		text, cut, err := readUpTo(filepath.Join(stagingRoot, shimIn, c.input), s.Limits.File)
		if err != nil || cut {
			return nil
		}
		end := ""
		if slices.ContainsFunc(c.Args, func(a string) bool { return a == "-exist" || a == "-!" || a == "--exist" }) {
			end = " -exist"
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && line != "COMMIT" {
				lines = append(lines, line+end)
			}
		}
	}
	return lines
}

// ipsetAsks says whether a call of ipset(8) changes nothing.
func (c *Call) ipsetAsks() bool {
	return slices.ContainsFunc(c.Args, func(a string) bool {
		return slices.Contains([]string{"test", "-T", "--test", "list", "-L", "--list", "save", "-S", "--save", "help", "version", "-h", "-v", "--version", "--help"}, a)
	})
}

// setLine quotes arguments for a restore's line.
func setLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsAny(a, " \t") {
			a = `"` + a + `"`
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

// replaySets executes the lines, without those that cannot be; whole says that
// there were none such.
func replaySets(lines []string) (sets []ruleset.Set, whole bool) {
	whole = true
	for range maxSetErrors {
		sets, err := ipset.Parse("calls", []byte(strings.Join(lines, "\n")+"\n"))
		if err == nil {
			return sets, whole
		}
		var se *ruleset.SyntaxError
		if !errors.As(err, &se) || se.Line < 1 || se.Line > len(lines) {
			return nil, false
		}
		whole = false
		lines = slices.Delete(lines, se.Line-1, se.Line)
	}
	return nil, false
}
