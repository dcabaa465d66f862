package compiler

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A POSIX shell runs a copy of the script in which each command that is a
// firewall tool, by its name, its path or a variable such as $IPT, has "_fwc"
// and its line ahead of it, on the same line. Nothing else is different: no
// word moves, and no line. The shell reads the copy with "." after the
// prelude; the script's own name, its arguments and its file are untouched.

// recordedName says whether a command word names a tool whose calls may be
// queued.
func recordedName(word string) bool {
	base := filepath.Base(word)
	if strings.Contains(word, "/") && !slices.Contains(programDirs, filepath.Dir(word)) {
		return false
	}
	return shimmed(base) && base != "nft" && !strings.HasSuffix(base, "-multi")
}

// toolVariable matches what a variable that holds a tool is set to.
var toolVariable = regexp.MustCompile(`(?:ip6?|arp|eb)tables|ipset`)

// shellVariable matches what a variable is set to that makes the shell itself
// do something: such a command must not run in a function.
var shellVariable = regexp.MustCompile(`^["']?(?:\.|break|continue|eval|exec|exit|export|readonly|return|set|shift|times|trap|unset|local|command|builtin)\s`)

// otherDefinition matches what gives a tool's name another meaning, for all
// the parser knows.
var otherDefinition = regexp.MustCompile(`\balias\b|\benable\b|\bhash -p`)

// preludeCommands are those that the prelude runs. It has no way around a
// function of their names.
var preludeCommands = []string{"command", "printf", "local", "shift", "echo", "type", "alias"}

// forgetPath goes ahead of a command that may define functions and aliases. An
// assignment lasts ahead of a special built-in: the prelude looks again at what
// the tools' names mean.
const forgetPath = "_fwc_P= "

// rewrite returns the copy, or nil if the script is better run as it is.
func rewrite(text []byte) []byte {
	if bytes.Contains(text, []byte("_fwc")) || otherDefinition.Match(text) {
		return nil
	}
	f, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(bytes.NewReader(text), "")
	if err != nil {
		// Many that begin with #!/bin/sh are written for bash.
		if f, err = syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(text), ""); err != nil {
			return nil
		}
	}
	var sources []*syntax.CallExpr
	hidden := false
	variables, special, defined := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var calls []*syntax.CallExpr
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.FuncDecl:
			if n.Name != nil {
				defined[n.Name.Value] = true
			}
		case *syntax.Assign:
			if n.Name == nil || n.Value == nil {
				break
			}
			if from, to := n.Value.Pos().Offset(), n.Value.End().Offset(); to <= uint(len(text)) && from < to && toolVariable.Match(text[from:to]) {
				variables[n.Name.Value] = true
				special[n.Name.Value] = special[n.Name.Value] || shellVariable.Match(text[from:to])
			}
		case *syntax.CallExpr:
			if len(n.Args) == 0 {
				break
			}
			switch name, _ := wordOf(n.Args[0]).text(); name {
			case ".", "eval":
				sources = append(sources, n)
			case "source":
				hidden = true
			case "command":
				hidden = hidden || slices.ContainsFunc(n.Args, func(w *syntax.Word) bool {
					name, _ := wordOf(w).text()
					return name == "." || name == "eval"
				})
			}
			if len(n.Assigns) == 0 {
				calls = append(calls, n)
			}
		}
		return true
	})
	if hidden || slices.ContainsFunc(preludeCommands, func(name string) bool { return defined[name] }) {
		return nil
	}
	type place struct {
		offset uint
		text   string
	}
	var places []place
	for _, n := range sources {
		from, to := n.Args[0].Pos().Offset(), n.Args[0].End().Offset()
		if name, _ := wordOf(n.Args[0]).text(); to > uint(len(text)) || from >= to || string(text[from:to]) != name {
			return nil
		}
		places = append(places, place{from, forgetPath})
	}
	for _, n := range calls {
		w := n.Args[0]
		from, to := w.Pos().Offset(), w.End().Offset()
		if to > uint(len(text)) || from >= to {
			continue
		}
		source := string(text[from:to])
		name, isTool := wordOf(w).text()
		switch {
		case isTool && source == name && recordedName(name) && !defined[name]:
		case !isTool && variables[commandVariable(source)] && !special[commandVariable(source)]:
		default:
			continue
		}
		places = append(places, place{from, fmt.Sprintf("_fwc %d ", w.Pos().Line())})
	}
	slices.SortFunc(places, func(a, b place) int { return int(a.offset) - int(b.offset) })
	var out bytes.Buffer
	last := uint(0)
	for i, p := range places {
		if i > 0 && p.offset == places[i-1].offset {
			continue
		}
		out.Write(text[last:p.offset])
		out.WriteString(p.text)
		last = p.offset
	}
	out.Write(text[last:])
	return out.Bytes()
}

var variableWord = regexp.MustCompile(`^"?\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})"?$`)

// commandVariable returns the name of the variable that a word is and nothing
// else, or "".
func commandVariable(source string) string {
	m := variableWord.FindStringSubmatch(source)
	if m == nil || strings.HasPrefix(source, `"`) != strings.HasSuffix(source, `"`) {
		return ""
	}
	return m[1] + m[2]
}

// posixShell says whether the interpreter of a script is a shell that runs a
// copy: sh, dash or ash, itself or by env, with nothing but plain options.
func posixShell(interp []string) bool {
	words := strings.Fields(strings.Join(interp, " "))
	if len(words) == 0 {
		return true // /bin/sh
	}
	if filepath.Base(words[0]) == "env" {
		words = words[1:]
	}
	if len(words) > 1 && filepath.Base(words[0]) == "busybox" {
		words = words[1:]
	}
	if len(words) == 0 || !slices.Contains([]string{"sh", "dash", "ash"}, filepath.Base(words[0])) {
		return false
	}
	for _, w := range words[1:] {
		if !regexp.MustCompile(`^-[efu]+$`).MatchString(w) {
			return false
		}
	}
	return true
}

// copied returns the arguments that make a shell run the copy, and the path
// alone where there is none.
func (s *stage) copied(path string) []string {
	if len(s.copy) == 0 {
		return []string{path}
	}
	return []string{"-c", ". " + recShell + "; . " + recCopy, path}
}
