package compiler

import (
	"path/filepath"
	"slices"
)

// absentTools turns the shell's word that there is no such program into calls:
// nothing else of them is left. Those of a firewall's tools have failed. A path
// elsewhere than where programs are is another program of that name, such as
// an init script.
func (o *output) absentTools() (tools, programs []Call) {
	for _, m := range o.absent {
		tool := filepath.Base(m.Tool)
		c := Call{Tool: tool, Status: 127, Stderr: tool + " is not installed on this host",
			typed: m.Tool, line: m.Line, file: m.File, sure: m.Sure}
		if shimmed(tool) && (tool == m.Tool || slices.Contains(programDirs, filepath.Dir(m.Tool))) {
			tools = append(tools, c)
		} else {
			programs = append(programs, c)
		}
	}
	return tools, programs
}

// absentPrograms says which programs and files, none of them a firewall's tool,
// the script looked for in vain. It went on without them, where the host that
// the build is for may have them, or the name is a slip of the hand.
func (b *build) absentPrograms(list []Call) {
	const what = "not found: install it on the build host, or correct the name; the script went on without it"
	told := map[Remark]bool{}
	for _, c := range list {
		if c.Pos.Line == 0 {
			c.Pos.File, c.Pos.Line = c.file, c.line
		}
		r := Remark{c.Pos, shorten(c.typed)}
		if told[r] {
			continue
		}
		told[r] = true
		switch {
		case c.Tested:
			b.remark(c.Pos, "not found; the script looks whether it is there", r.Msg)
		case len(told) <= maxRemarks:
			b.warn(c.Pos, "%s: %s", r.Msg, what)
		}
	}
}
