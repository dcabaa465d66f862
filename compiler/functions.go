package compiler

import "slices"

// Bounds of throughFunctions.
const (
	maxDepth   = 3
	maxThrough = 50_000
)

// throughFunctions returns, for the commands that pass on their function's
// parameters, the places that call the function, with what they pass put in:
// of "rule() { iptables -A INPUT "$@"; }" the line of interest is the one that
// says "rule -p tcp", not the one in the function.
func throughFunctions(sites []*site) []*site {
	calls := map[string][]*site{}
	for _, s := range sites {
		if name, ok := s.words[0].text(); ok {
			calls[name] = append(calls[name], s)
		}
	}
	var made []*site
	level := sites
	for range maxDepth {
		var next []*site
		for _, s := range level {
			if s.fn == "" || !slices.ContainsFunc(s.words, func(w word) bool { return w.param != "" }) {
				continue
			}
			for _, c := range calls[s.fn] {
				s.passed = true
				if len(made)+len(next) >= maxThrough {
					return append(made, next...)
				}
				next = append(next, s.through(c, 0))
				// After a shift, or two, the parameters are others.
				for shift := 1; shift <= 2 && shift < len(c.words); shift++ {
					next = append(next, s.through(c, shift))
				}
			}
		}
		made = append(made, next...)
		level = next
	}
	return made
}

// through returns the call of the function that s is in, as the command that
// s becomes.
func (s *site) through(call *site, shift int) *site {
	args := call.words[min(1+shift, len(call.words)):]
	out := &site{file: call.file, start: call.start, end: call.end, fn: call.fn, inner: s,
		tested: s.tested || s.carried && call.tested, carried: s.carried && call.carried}
	for _, w := range s.words {
		switch {
		case w.param == "@":
			out.words = append(out.words, args...)
		case w.param != "" && int(w.param[0]-'1') < len(args):
			out.words = append(out.words, args[w.param[0]-'1'])
		case w.param != "" && !slices.ContainsFunc(args, func(a word) bool { return a.fields }):
			out.words = append(out.words, word{pieces: []string{""}, fields: w.fields})
		default:
			out.words = append(out.words, w)
		}
	}
	for _, w := range out.words {
		out.literal += w.size()
	}
	if len(out.words) == 0 {
		out.words = s.words
	}
	return out
}
