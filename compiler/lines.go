package compiler

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// lineFinder tells which line of which file made a call. The shell tells the
// line itself where it can; then the arguments are compared with the command
// that stands there, and of a function's parameters the caller is found. Of
// other calls the one command that can have made them is looked for in all
// files. No line is better than a wrong one: where two can, or what is not
// read here, there is none.
type lineFinder struct {
	src    *source
	dir    string
	all    []*site
	exact  map[string][]*site // sites without expansions, by their words
	open   []*site            // the others
	byLine map[place][]*site
	seen   map[string]string // absolute path -> as shown
	// opaque says that something runs which is not read, inside that it may
	// call the functions that are.
	opaque, inside bool
}

// place is a line of a file, as it is shown.
type place struct {
	file string
	line int
}

// Bounds of what is read for lines only.
const (
	maxShellFiles = 200
	maxShellFile  = 4 << 20
	locateTime    = 3 * time.Second
)

func newLineFinder(src *source, dir string) *lineFinder {
	f := &lineFinder{src: src, dir: dir, exact: map[string][]*site{}, byLine: map[place][]*site{}, seen: map[string]string{}}
	if !isShell(src.interp) {
		f.opaque = true
		return f
	}
	f.seen[src.abs] = src.path
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
			p := place{real.file, line}
			f.byLine[p] = append(f.byLine[p], s)
		}
	}
	return f
}

// isShell says whether the interpreter of a script is a shell whose scripts
// are read here.
func isShell(interp []string) bool {
	words := strings.Fields(strings.Join(interp, " "))
	if len(words) > 1 && slices.Contains([]string{"env", "busybox"}, filepath.Base(words[0])) {
		words = words[1:]
		for len(words) > 1 && (words[0][0] == '-' || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
	}
	return len(words) == 0 || slices.Contains(shells, filepath.Base(words[0]))
}

// read adds a file and the files that it may run.
func (f *lineFinder) read(name string, text []byte) {
	sh := readShell(name, text)
	f.all = append(f.all, sh.sites...)
	f.opaque, f.inside = f.opaque || sh.opaque, f.inside || sh.inside
	for _, w := range sh.sourced {
		for _, path := range f.files(w) {
			f.readFile(path)
		}
	}
	for _, n := range sh.needed {
		known := false
		for _, path := range f.files(n.word) {
			known = known || f.seen[path] != "" || absent(path)
		}
		f.opaque, f.inside = f.opaque || !known, f.inside || n.same && !known
	}
}

// absent says that a file is not there in staging either, or is one that
// staging gives: nothing in it runs a tool. What is in other directories the
// script may have written.
func absent(path string) bool {
	top := "/" + strings.SplitN(path, "/", 3)[1]
	_, err := os.Lstat(path)
	return functionFiles[path] != "" || err != nil && slices.Contains(systemTops, top)
}

// readFile reads a file if it is a script.
func (f *lineFinder) readFile(path string) {
	if f.seen[path] != "" || len(f.seen) >= maxShellFiles {
		return
	}
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxShellFile {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil || slices.Contains(text[:min(512, len(text))], 0) {
		return
	}
	f.seen[path] = f.display(path)
	f.read(f.seen[path], text)
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
	for i := range calls {
		if i%64 == 0 && time.Now().After(end) {
			return
		}
		c := &calls[i]
		argv := append([]string{c.Tool}, c.Args...)
		if c.multi != "" {
			argv = append([]string{c.multi}, argv...)
		}
		sites := f.told(c, argv)
		if c.line == 0 && !f.opaque {
			sites = f.search(argv)
		}
		if len(sites) == 0 {
			continue
		}
		at := place{sites[0].file, sites[0].start}
		if slices.ContainsFunc(sites, func(s *site) bool { return at != place{s.file, s.start} }) {
			if c.line == 0 {
				continue
			}
			// Which of its callers ran the function is not known.
			at = place{f.named(c.file), c.line}
		}
		c.Pos = ruleset.Position{File: at.file, Line: at.line}
		c.Tested = !slices.ContainsFunc(sites, func(s *site) bool { return !s.tested })
	}
}

// named returns a file as it is shown, by the name that a shell has for it: ""
// is the script itself.
func (f *lineFinder) named(file string) string {
	if file == "" || file == f.src.path {
		return f.src.path
	}
	paths := []string{filepath.Clean(file)}
	if !filepath.IsAbs(file) {
		paths = []string{filepath.Join(f.dir, file), filepath.Join(filepath.Dir(f.src.abs), file)}
	}
	for _, path := range paths {
		if f.seen[path] != "" {
			return f.seen[path]
		}
	}
	return ""
}

// told returns the sites at the line that the shell told. Of a command that
// passes on its function's parameters they are the calls of the function,
// unless what is not read may call it too.
func (f *lineFinder) told(c *Call, argv []string) []*site {
	if c.line == 0 {
		return nil
	}
	var own, callers []*site
	for _, s := range f.byLine[place{f.named(c.file), c.line}] {
		switch {
		case !s.makes(argv):
		case s.inner == nil:
			own = append(own, s)
		default:
			callers = append(callers, s)
		}
	}
	if len(own) == 0 {
		return nil // it was made by a string that the command there runs
	}
	// A caller that is itself called with parameters is not the end.
	outer := slices.DeleteFunc(slices.Clone(callers), func(s *site) bool {
		return slices.ContainsFunc(callers, func(t *site) bool { return t.inner == s })
	})
	if len(outer) > 0 && !f.inside {
		return outer
	}
	return own
}

// absent tells of a call of a tool that is not there: its line, whether its
// status is tested, and its arguments if they are literal. The line of bash's
// message is right; dash's may be one that ran before.
func (f *lineFinder) absent(m missing) placement {
	var out placement
	var at *site
	for _, s := range f.all {
		name, literal := s.words[0].text()
		if s.inner != nil || literal && name != m.Tool {
			continue
		}
		if m.Sure && (s.file != f.named(m.File) || m.Line < s.start || m.Line > s.end) {
			continue
		}
		if !literal && (!m.Sure || s.words[0].size() > 0) {
			continue
		}
		if at != nil {
			out.Tested = out.Tested && s.tested
			if s.start != at.start || s.file != at.file {
				return placement{}
			}
			continue
		}
		at = s
		out = placement{File: s.file, Line: s.start, Tested: s.tested}
	}
	if at == nil || f.opaque && !m.Sure {
		return placement{}
	}
	for _, w := range at.words[1:] {
		text, ok := w.text()
		if !ok {
			out.Args = nil
			break
		}
		out.Args = append(out.Args, text)
	}
	return out
}

// search returns all sites that can make an argument vector.
func (f *lineFinder) search(argv []string) []*site {
	found := slices.Clone(f.exact[strings.Join(argv, "\x00")])
	for _, s := range f.open {
		if !s.passed && s.makes(argv) {
			found = append(found, s)
		}
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
