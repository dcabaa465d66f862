package netns

import (
	"fmt"
	"os"
	"strings"
)

// marker begins argv[0] of a process that fwc starts of itself. No shell and
// no user gives a program such a name by accident.
const marker = "fwc:stage:"

// stages are the functions that a re-executed process may run, by name.
var stages = map[string]func() int{}

// Register gives fn a name under which Start and Exec can run it in a new
// process of this same program. Call it from init or a package variable; a
// name registered twice is a bug and panics. fn returns the exit status.
func Register(name string, fn func() int) {
	if stages[name] != nil {
		panic("netns: stage registered twice: " + name)
	}
	stages[name] = fn
}

// Main runs the stage that this process was started for, and does not return
// from it; in any other process it does nothing. It must be the first thing
// that main does, and TestMain in tests of packages that start stages.
func Main() {
	name, ok := strings.CutPrefix(os.Args[0], marker)
	if !ok {
		return
	}
	fn := stages[name]
	if fn == nil {
		fmt.Fprintf(os.Stderr, "fwc: no stage %q in this program\n", name)
		os.Exit(127)
	}
	os.Exit(fn())
}

// Argv returns the argument vector that makes this program run a stage.
func Argv(name string, args ...string) []string {
	return append([]string{marker + name}, args...)
}
