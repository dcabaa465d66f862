package compiler

import "mvdan.cc/sh/v3/syntax"

// surroundings tells from the nodes above a command whether its status is looked
// at, whether it is also that of the function around it, and which that is.
//
// A status goes up from the last of a list, the last of a pipeline, the end of
// an arm. It is lost where anything runs after it, in a loop, in the
// background, and in a function that is only defined.
func (f *shellFile) surroundings(path []syntax.Node) (tested, carried bool, fn string) {
	lost := false
	for i := len(path) - 2; i >= 0; i-- {
		child := path[i+1]
		if n, ok := path[i].(*syntax.FuncDecl); ok {
			if n.Name != nil {
				fn = n.Name.Value
			}
			return tested, !lost && !tested, fn
		}
		if lost || tested {
			continue // only the function is still of interest
		}
		switch n := path[i].(type) {
		case *syntax.Stmt:
			lost = n.Background || n.Coprocess
			tested = !lost && readsStatus(f.following[n])
		case *syntax.IfClause:
			tested = last(n.Cond, child)
			_, arm := child.(*syntax.IfClause)
			lost = !tested && !arm && !last(n.Then, child)
		case *syntax.WhileClause:
			tested = last(n.Cond, child)
			lost = !tested
		case *syntax.BinaryCmd:
			first := syntax.Node(n.X) == child
			switch n.Op {
			case syntax.AndStmt, syntax.OrStmt:
				tested = first
			default:
				lost = first
			}
		case *syntax.Block:
			lost = !last(n.Stmts, child)
		case *syntax.Subshell:
			lost = !last(n.Stmts, child)
		case *syntax.CaseItem:
			lost = !last(n.Stmts, child)
		case *syntax.CmdSubst:
			lost = !last(n.Stmts, child)
		case *syntax.CallExpr:
			// Of "x=$(command)" the status is the command's.
			lost = len(n.Args) > 0
		case *syntax.CaseClause:
			_, arm := child.(*syntax.CaseItem)
			lost = !arm
		case *syntax.Word, *syntax.DblQuoted, *syntax.Assign, *syntax.TimeClause:
		default:
			lost = true
		}
	}
	return tested, false, ""
}

// last says whether a node is the last of a list of statements.
func last(stmts []*syntax.Stmt, n syntax.Node) bool {
	return len(stmts) > 0 && syntax.Node(stmts[len(stmts)-1]) == n
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

// readsStatus says whether the first simple command of a statement reads $?.
// The next one already has another.
func readsStatus(s *syntax.Stmt) bool {
	for s != nil {
		switch n := s.Cmd.(type) {
		case *syntax.BinaryCmd:
			s = n.X
		case *syntax.IfClause:
			s = firstOf(n.Cond)
		case *syntax.WhileClause:
			s = firstOf(n.Cond)
		case *syntax.Block:
			s = firstOf(n.Stmts)
		case *syntax.Subshell:
			s = firstOf(n.Stmts)
		case *syntax.TimeClause:
			s = n.Stmt
		case *syntax.CaseClause:
			return n.Word != nil && holdsStatus(n.Word)
		case *syntax.CallExpr, *syntax.DeclClause, *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
			return holdsStatus(n)
		default:
			return false
		}
	}
	return false
}

func firstOf(stmts []*syntax.Stmt) *syntax.Stmt {
	if len(stmts) == 0 {
		return nil
	}
	return stmts[0]
}

// holdsStatus says whether $? is expanded in a node itself.
func holdsStatus(n syntax.Node) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst, *syntax.FuncDecl:
			return false
		case *syntax.ParamExp:
			found = found || n.Param != nil && n.Param.Value == "?"
		}
		return !found
	})
	return found
}
