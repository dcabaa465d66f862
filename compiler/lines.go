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
	src       *source
	dir       string
	exact     map[string][]*site // sites without expansions, by their words
	open      []*site            // sites with expansions, most specific first
	functions map[string]bool
	seen      map[string]bool
}

// Bounds of what is read for lines only.
const (
	maxShellFiles = 200
	maxShellFile  = 4 << 20
	locateTime    = 3 * time.Second
)

func newLineFinder(src *source, opt Options) *lineFinder {
	f := &lineFinder{src: src, dir: opt.Dir, exact: map[string][]*site{}, functions: map[string]bool{}, seen: map[string]bool{}}
	f.seen[src.abs] = true
	f.read(src.path, src.text)
	slices.SortStableFunc(f.open, func(a, b *site) int { return b.literal - a.literal })
	return f
}

// read adds a file and the files that it may run.
func (f *lineFinder) read(name string, text []byte) {
	sh := readShell(name, text)
	for fn := range sh.functions {
		f.functions[fn] = true
	}
	for _, s := range sh.sites {
		if key, ok := s.key(); ok {
			f.exact[key] = append(f.exact[key], s)
		}
		// A literal command can also be the beginning of what xargs makes.
		f.open = append(f.open, s)
	}
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
		if !ok {
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
	if c.line > 0 {
		var at []*site
		for _, s := range f.open {
			if s.start <= c.line && c.line <= s.end && (len(at) == 0 || s.literal == at[0].literal) && f.makes(s, argv) {
				at = append(at, s)
			}
		}
		if len(at) > 0 {
			return at
		}
	}
	if sites := f.exact[strings.Join(argv, "\x00")]; len(sites) > 0 {
		return sites
	}
	var best []*site
	for _, s := range f.open {
		if len(best) > 0 && s.literal < best[0].literal {
			break
		}
		if f.makes(s, argv) {
			best = append(best, s)
		}
	}
	return best
}

// wrappers are commands that run the command in their arguments.
var wrappers = []string{"sudo", "env", "command", "exec", "nice", "ionice", "time", "nohup", "timeout", "xargs", "builtin", "eval", "chroot", "setsid", "stdbuf", "doas"}

// makes says whether a site can make an argument vector whose first word is a
// tool's name.
func (f *lineFinder) makes(s *site, argv []string) bool {
	words := s.words
	wrapped, xargs := false, false
	for k, w := range words {
		text, literal := w.text()
		rest := words[k+1:]
		if xargs {
			rest = append(slices.Clone(rest), word{pieces: []string{"", ""}, fields: true})
		}
		switch {
		case literal && filepath.Base(text) == argv[0]:
			return matchWords(rest, argv[1:])
		case literal && (slices.Contains(wrappers, filepath.Base(text)) || f.functions[text]):
			// A function may be a name for the tool, or run its arguments.
			if f.functions[text] && len(rest) > 0 && matchWords(rest, argv[1:]) {
				return true
			}
			wrapped = true
			xargs = xargs || filepath.Base(text) == "xargs"
		case literal && wrapped && k > 0:
			// An option or assignment of the wrapper.
		case literal:
			return false
		default:
			// $IPT, "$@", $SUDO $IPT: anything.
			tail := append([]word{w}, rest...)
			return matchWords(tail, argv) || w.size() > 0 && w.matches(argv[0]) && matchWords(rest, argv[1:]) ||
				w.fields && len(rest) > 0 && f.makes(&site{words: rest}, argv)
		}
	}
	return false
}
