package compiler

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// oneLiner are the options whose value is a program: of perl, python and php.
var oneLiner = regexp.MustCompile(`^-[a-zA-Z0]*[cenpr]$`)

// starting is what starts a command in a program of awk, perl, python or php.
var starting = regexp.MustCompile("system|exec|spawn|popen|subprocess|fork|`|qx|tables|ipset|\\|\\s*\"|\"\\s*\\|")

// harmless says whether a program that is an argument, after an option or by
// itself, starts no command, as far as it is literal.
func harmless(words []word, option *regexp.Regexp) bool {
	found := false
	for _, w := range words {
		text := strings.Join(w.pieces, "")
		if starting.MatchString(text) {
			return false
		}
		found = found || option.MatchString(text)
		if text == "-f" || text == "--file" {
			return false
		}
	}
	return found
}

// interpreters run what their arguments or their input say.
var interpreters = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox", "perl", "python", "python2", "python3",
	"ruby", "php", "lua", "expect", "tclsh", "make", "parallel", "at", "batch"}

// shells are those of them whose scripts are read.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"}

// runs notes what a command makes run: files that are to be read too, and
// what is not read. It looks through wrappers such as sudo.
func (f *shellFile) runs(s *site) {
	for k, w := range s.words {
		text, ok := w.text()
		if !ok {
			return
		}
		name, rest := filepath.Base(text), s.words[k+1:]
		switch {
		case text == "." || text == "source":
			f.file(rest, true)
			return
		case text == "eval":
			f.code(s, rest, true)
			return
		case text == "trap":
			// Only the command is code: "trap - INT".
			if t, ok := first(rest); !ok || t != "" && t[0] != '-' {
				f.code(s, rest[:min(1, len(rest))], true)
			}
			return
		case slices.Contains(shells, name):
			f.shell(s, rest)
			return
		case slices.Contains(interpreters, name):
			f.opaque = f.opaque || !harmless(rest, oneLiner)
			return
		case slices.Contains([]string{"awk", "gawk", "mawk", "nawk"}, name):
			f.opaque = f.opaque || !harmless(rest, regexp.MustCompile(`.`))
			return
		case slices.Contains(wrappers, name) || k > 0 && (strings.HasPrefix(text, "-") || strings.Contains(text, "=")):
			// The command is what follows, or an option's value.
		case k > 0:
			if len(rest) > 0 && strings.Trim(text, "0123456789smhd.{}") == "" {
				continue // timeout 5 …, xargs -n 1 …
			}
			fallthrough
		default:
			if strings.Contains(text, "/") {
				f.sourced = append(f.sourced, w)
			}
			return
		}
	}
}

func first(words []word) (string, bool) {
	if len(words) == 0 {
		return "", false
	}
	return words[0].text()
}

// file takes a file that is run, by the same shell or by another.
func (f *shellFile) file(words []word, same bool) {
	if len(words) == 0 {
		return
	}
	f.sourced = append(f.sourced, words[0])
	f.needed = append(f.needed, needed{words[0], same})
}

// code takes a string that is run: if it is literal, its commands stand where
// the string does. It is run by the same shell, or by another.
func (f *shellFile) code(at *site, words []word, same bool) {
	var text []string
	for _, w := range words {
		t, ok := w.text()
		if !ok {
			f.opaque, f.inside = true, f.inside || same
			return
		}
		text = append(text, t)
	}
	f.nested++
	if f.nested > maxNested {
		f.opaque, f.inside = true, f.inside || same
		return
	}
	inner := &shellFile{functions: f.functions, nested: f.nested}
	inner.parse(at.file, []byte(strings.Join(text, " ")))
	for _, s := range inner.sites {
		s.start, s.end, s.tested, s.carried = at.start, at.end, false, false
		if s.fn == "" {
			s.fn = at.fn
		}
	}
	f.nested = inner.nested
	f.sites = append(f.sites, inner.sites...)
	f.sourced, f.needed = append(f.sourced, inner.sourced...), append(f.needed, inner.needed...)
	f.opaque, f.inside = f.opaque || inner.opaque, f.inside || same && inner.inside
}

// maxNested bounds the strings that are read.
const maxNested = 1000

// shell takes the arguments of a shell.
func (f *shellFile) shell(at *site, words []word) {
	for i, w := range words {
		text, ok := w.text()
		switch {
		case ok && strings.HasPrefix(text, "-") && strings.Trim(text, "-efux") == "":
		case ok && strings.HasPrefix(text, "-") && strings.Trim(text, "-efuxc") == "":
			f.code(at, words[i+1:min(i+2, len(words))], false)
			return
		case ok && strings.HasPrefix(text, "-"):
			f.opaque = true
			return
		default:
			f.file(words[i:], false)
			return
		}
	}
	f.opaque = true // it reads its input
}
