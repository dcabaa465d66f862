package compiler

import (
	"bytes"

	"mvdan.cc/sh/v3/syntax"
)

// site is a place in a shell script that runs a command.
type site struct {
	file       string
	start, end int // lines, from 1
	words      []word
	literal    int  // number of literal bytes: how specific it is
	tested     bool // the script looks at the exit status
	carried    bool // the status is that of the function around it
	// fn is the function that the command is in, or "".
	fn string
	// passed says that the calls of that function stand for it.
	passed bool
	// inner is the command that really runs, where this is a call of the
	// function around it; nil for a command in its own right.
	inner *site
}

// shellFile is what lineFinder knows of one file.
type shellFile struct {
	sites     []*site
	functions map[string]bool
	following map[*syntax.Stmt]*syntax.Stmt
	sourced   []word // operands of ".", "source", "sh", … and commands with a slash
	// needed are those of them that run in any case, so that one which cannot
	// be read is opaque.
	needed []needed
	// opaque says that something runs which is not read here: the string of
	// an eval, a -c or a trap, the input of an interpreter.
	opaque bool
	// inside says the same of what this shell runs, which may call functions.
	inside bool
	nested int // strings read
}

// needed is a file that is run, by the same shell or by another.
type needed struct {
	word word
	same bool
}

// readShell finds the commands of a shell script. Of one that does not parse
// it knows what stands before the mistake.
func readShell(name string, text []byte) *shellFile {
	out := &shellFile{functions: map[string]bool{}}
	out.parse(name, text)
	return out
}

// parse adds the commands of a text.
func (out *shellFile) parse(name string, text []byte) {
	p := syntax.NewParser(syntax.Variant(syntax.LangBash))
	f, err := p.Parse(bytes.NewReader(text), name)
	out.opaque, out.inside = out.opaque || err != nil, out.inside || err != nil
	if f == nil {
		return
	}
	if bytes.Contains(text, []byte("$?")) {
		out.following = followers(f)
	}
	var path []syntax.Node
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			path = path[:len(path)-1]
			return true
		}
		path = append(path, n)
		switch n := n.(type) {
		case *syntax.FuncDecl:
			if n.Name != nil {
				out.functions[n.Name.Value] = true
			}
		case *syntax.CallExpr:
			if len(n.Args) > 0 {
				out.call(name, n, path)
			}
		}
		return true
	})
}

// call notes one command.
func (f *shellFile) call(name string, n *syntax.CallExpr, path []syntax.Node) {
	s := &site{file: name, start: int(n.Args[0].Pos().Line()), end: int(n.End().Line())}
	for _, a := range n.Args {
		w := wordOf(a)
		s.words = append(s.words, w)
		s.literal += w.size()
	}
	s.tested, s.carried, s.fn = f.surroundings(path)
	f.sites = append(f.sites, s)
	f.runs(s)
}
