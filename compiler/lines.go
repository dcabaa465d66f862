package compiler

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// lineFinder tells which line of which file made a call, by comparing its
// arguments with the commands that stand in the script's files. bash tells the
// line itself; then the comparison tells the file, and guards against a line
// that is another shell's. No line is better than a wrong one.
type lineFinder struct {
	src    *source
	dir    string
	all    []*site
	exact  map[string][]*site // sites without expansions, by their words
	open   []*site            // the others, most specific first
	byLine map[int][]*site
	seen   map[string]bool
}

// Bounds of what is read for lines only.
const (
	maxShellFiles = 200
	maxShellFile  = 4 << 20
	locateTime    = 3 * time.Second
)

func newLineFinder(src *source, dir string) *lineFinder {
	f := &lineFinder{src: src, dir: dir, exact: map[string][]*site{}, byLine: map[int][]*site{}, seen: map[string]bool{}}
	f.seen[src.abs] = true
	f.read(src.path, src.text)
	f.all = append(f.all, throughFunctions(f.all)...)
	for _, s := range f.all {
		if key, ok := s.key(); ok {
			f.exact[key] = append(f.exact[key], s)
		} else {
			f.open = append(f.open, s)
		}
		real := s
		for real.inner != nil {
			real = real.inner
		}
		for line := real.start; line <= min(real.end, real.start+100); line++ {
			f.byLine[line] = append(f.byLine[line], s)
		}
	}
	slices.SortStableFunc(f.open, func(a, b *site) int { return b.literal - a.literal })
	return f
}

// read adds a file and the files that it may run.
func (f *lineFinder) read(name string, text []byte) {
	sh := readShell(name, text)
	f.all = append(f.all, sh.sites...)
	for _, w := range sh.sourced {
		for _, path := range f.files(w) {
			if f.seen[path] || len(f.seen) >= maxShellFiles {
				continue
			}
			f.seen[path] = true
			fi, err := os.Stat(path)
			if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxShellFile {
				continue
			}
			if text, err := os.ReadFile(path); err == nil && !slices.Contains(text[:min(512, len(text))], 0) {
				f.read(f.display(path), text)
			}
		}
	}
}

// files returns the files that an operand may name: a literal path, or, for
// one such as "$DIR/rules.sh", that file beside the script.
func (f *lineFinder) files(w word) []string {
	own := filepath.Dir(f.src.abs)
	if name, ok := w.text(); ok {
		if filepath.IsAbs(name) {
			return []string{filepath.Clean(name)}
		}
		return []string{filepath.Join(f.dir, name), filepath.Join(own, name)}
	}
	last := w.pieces[len(w.pieces)-1]
	if len(w.pieces) < 2 || !strings.HasPrefix(last, "/") {
		return nil
	}
	return []string{filepath.Join(own, last), filepath.Join(f.dir, last)}
}

// display names a file the way the user named the script.
func (f *lineFinder) display(path string) string {
	if filepath.IsAbs(f.src.path) {
		return path
	}
	if rel, err := filepath.Rel(f.dir, path); err == nil && !strings.HasPrefix(rel, "../../") {
		return rel
	}
	return path
}

// key joins the words of a site that is literal and names its tool plainly.
func (s *site) key() (string, bool) {
	var words []string
	for i, w := range s.words {
		t, ok := w.text()
		if !ok || i == 0 && slices.Contains(wrappers, t) {
			return "", false
		}
		if i == 0 {
			t = filepath.Base(t)
		}
		words = append(words, t)
	}
	return strings.Join(words, "\x00"), true
}

// locate sets Pos and Tested of the calls, as far as they can be told.
func (f *lineFinder) locate(calls []Call) {
	end := time.Now().Add(locateTime)
	var doubtful = map[*site][]int{} // first candidate -> calls
	found := make([][]*site, len(calls))
	for i := range calls {
		if i%64 == 0 && time.Now().After(end) {
			return
		}
		c := &calls[i]
		found[i] = f.candidates(c)
		if len(found[i]) == 0 {
			continue
		}
		c.Tested = !slices.ContainsFunc(found[i], func(s *site) bool { return !s.tested })
		if len(found[i]) == 1 {
			c.Pos = ruleset.Position{File: found[i][0].file, Line: found[i][0].start}
			continue
		}
		doubtful[found[i][0]] = append(doubtful[found[i][0]], i)
	}
	// The same command at n places, each of which runs once at most, and n
	// calls of it: they ran in the order in which they stand.
	for first, list := range doubtful {
		sites := found[list[0]]
		if len(sites) != len(list) || slices.ContainsFunc(sites, func(s *site) bool { return s.many || s.file != first.file }) {
			continue
		}
		for k, i := range list {
			calls[i].Pos = ruleset.Position{File: sites[k].file, Line: sites[k].start}
			calls[i].Tested = sites[k].tested
		}
	}
}

// candidates returns the most specific sites that can have made a call.
func (f *lineFinder) candidates(c *Call) []*site {
	argv := append([]string{c.Tool}, c.Args...)
	if c.multi != "" {
		argv = append([]string{c.multi}, argv...)
	}
	if c.line > 0 {
		if at := best(f.byLine[c.line], argv); len(at) > 0 {
			return at
		}
	}
	if sites := f.exact[strings.Join(argv, "\x00")]; len(sites) > 0 {
		return sites
	}
	return best(f.open, argv)
}

// best returns the most specific of the sites that can make the arguments.
func best(sites []*site, argv []string) []*site {
	var found []*site
	for _, s := range sites {
		if len(found) > 0 && s.literal < found[0].literal {
			continue
		}
		if !s.makes(argv) {
			continue
		}
		if len(found) > 0 && s.literal > found[0].literal {
			found = found[:0]
		}
		found = append(found, s)
	}
	return found
}

// wrappers are commands that run the command in their arguments.
var wrappers = []string{"sudo", "env", "command", "exec", "nice", "ionice", "time", "nohup", "timeout", "xargs", "builtin", "eval", "chroot", "setsid", "stdbuf", "doas"}

// makes says whether a site can make an argument vector whose first word is a
// tool's name.
func (s *site) makes(argv []string) bool {
	wrapped, xargs := false, false
	for k, w := range s.words {
		text, literal := w.text()
		rest := s.words[k+1:]
		if xargs {
			// xargs adds words of its own at the end.
			rest = append(slices.Clone(rest), word{pieces: []string{"", ""}, fields: true})
		}
		switch {
		case literal && filepath.Base(text) == argv[0]:
			return matchWords(rest, argv[1:])
		case literal && slices.Contains(wrappers, filepath.Base(text)):
			wrapped = true
			xargs = xargs || filepath.Base(text) == "xargs"
		case literal && wrapped:
			// An option or assignment of the wrapper.
		case literal:
			return false
		default:
			// $IPT, "$@", $SUDO $IPT: anything, also nothing.
			tail := append([]word{w}, rest...)
			return matchWords(tail, argv) ||
				w.size() > 0 && w.matches(argv[0]) && matchWords(rest, argv[1:]) ||
				w.size() == 0 && len(rest) > 0 && (&site{words: rest}).makes(argv)
		}
	}
	return false
}
