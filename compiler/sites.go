package compiler

import (
	"bytes"
	"path/filepath"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// site is a place in a shell script that runs a command.
type site struct {
	file       string
	start, end int // lines, from 1
	words      []word
	literal    int  // number of literal bytes: how specific it is
	tested     bool // the script looks at the exit status
	many       bool // may run more than once: in a loop or a function
	// fn is the function that the command is in, or "".
	fn string
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
}

// readShell finds the commands of a shell script. Of one that does not parse
// it knows what stands before the mistake.
func readShell(name string, text []byte) *shellFile {
	p := syntax.NewParser(syntax.Variant(syntax.LangBash))
	f, _ := p.Parse(bytes.NewReader(text), name)
	out := &shellFile{functions: map[string]bool{}}
	if f == nil {
		return out
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
	return out
}

// call notes one command.
func (f *shellFile) call(name string, n *syntax.CallExpr, path []syntax.Node) {
	s := &site{file: name, start: int(n.Args[0].Pos().Line()), end: int(n.End().Line())}
	for _, a := range n.Args {
		w := wordOf(a)
		s.words = append(s.words, w)
		s.literal += w.size()
	}
	s.tested, s.many, s.fn = f.surroundings(path)
	f.sites = append(f.sites, s)
	first, ok := s.words[0].text()
	if !ok {
		return
	}
	switch filepath.Base(first) {
	case ".", "source", "sh", "bash", "dash", "ash", "exec", "command", "eval":
		f.sourced = append(f.sourced, s.words[1:]...)
	default:
		if strings.Contains(first, "/") {
			f.sourced = append(f.sourced, s.words[0])
		}
	}
}

// surroundings tells from the nodes above a command whether its status is looked
// at, whether it may run more than once, and which function it is in. It looks
// no further up than that function: who calls it is another matter.
func (f *shellFile) surroundings(path []syntax.Node) (tested, many bool, fn string) {
	for i := len(path) - 2; i >= 0; i-- {
		child := path[i+1]
		switch n := path[i].(type) {
		case *syntax.FuncDecl:
			if n.Name != nil {
				fn = n.Name.Value
			}
			return tested, true, fn
		case *syntax.IfClause:
			tested = tested || within(n.Cond, child)
		case *syntax.WhileClause:
			many = true
			tested = tested || within(n.Cond, child)
		case *syntax.ForClause:
			many = true
		case *syntax.BinaryCmd:
			if (n.Op == syntax.AndStmt || n.Op == syntax.OrStmt) && syntax.Node(n.X) == child {
				tested = true
			}
		case *syntax.Stmt:
			tested = tested || n.Negated || readsStatus(f.following[n])
		}
	}
	return tested, many, ""
}

func within(stmts []*syntax.Stmt, n syntax.Node) bool {
	for _, s := range stmts {
		if syntax.Node(s) == n {
			return true
		}
	}
	return false
}

// followers maps each statement to the one after it in its list.
func followers(f *syntax.File) map[*syntax.Stmt]*syntax.Stmt {
	next := map[*syntax.Stmt]*syntax.Stmt{}
	note := func(lists ...[]*syntax.Stmt) {
		for _, list := range lists {
			for i := 1; i < len(list); i++ {
				next[list[i-1]] = list[i]
			}
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			note(n.Stmts)
		case *syntax.Block:
			note(n.Stmts)
		case *syntax.Subshell:
			note(n.Stmts)
		case *syntax.CmdSubst:
			note(n.Stmts)
		case *syntax.IfClause:
			note(n.Then)
		case *syntax.WhileClause:
			note(n.Do)
		case *syntax.ForClause:
			note(n.Do)
		case *syntax.CaseItem:
			note(n.Stmts)
		}
		return true
	})
	return next
}

// readsStatus says whether a statement reads $?.
func readsStatus(s *syntax.Stmt) bool {
	if s == nil {
		return false
	}
	found := false
	syntax.Walk(s, func(n syntax.Node) bool {
		if pe, ok := n.(*syntax.ParamExp); ok && pe.Param != nil && pe.Param.Value == "?" {
			found = true
		}
		return !found
	})
	return found
}
