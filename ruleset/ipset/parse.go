package ipset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Parse reads the output of ipset save, or input of ipset restore, and returns
// the sets that it leaves behind in an empty namespace, in canonical form and
// in the order of Format. Commands run in order, as restore runs them: an add
// may hold a range, and sets may be renamed, swapped, emptied and destroyed
// again. Whatever restore would refuse is an error of type
// *ruleset.SyntaxError that names the file and the line.
func Parse(file string, text []byte) ([]ruleset.Set, error) {
	st := &state{sets: map[string]*set{}}
	rest := string(text)
	var room [16]string
	for line := 1; rest != ""; line++ {
		var l string
		l, rest, _ = strings.Cut(rest, "\n")
		if err := st.run(room[:0], l, line); err != nil {
			return nil, &ruleset.SyntaxError{File: file, Line: line, Msg: err.Error()}
		}
	}
	out := make([]ruleset.Set, 0, len(st.sets))
	for _, name := range slices.Sorted(maps.Keys(st.sets)) {
		out = append(out, st.sets[name].snapshot())
	}
	slices.SortStableFunc(out, compareSets)
	return out, nil
}

// run executes one line.
func (st *state) run(room []string, line string, number int) error {
	trimmed := strings.TrimLeft(line, " \t\r\v\f")
	if trimmed == "" || trimmed[0] == '#' || strings.TrimRight(trimmed, "\r") == "COMMIT" {
		return nil
	}
	if len(line) >= maxLine {
		return fmt.Errorf("the line has %d bytes: ipset restore reads %d", len(line), maxLine-1)
	}
	if strings.IndexByte(line, 0) >= 0 {
		return errors.New("the line holds a NUL byte")
	}
	args, err := words(room, line)
	if err != nil {
		return err
	}
	args, exist, err := environment(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("the line holds no command")
	}
	cmd, args := commandOf(args[0]), args[1:]
	switch {
	case cmd == "add" && len(args) >= 2:
		return st.add(args[0], args[1], args[2:], exist)
	case cmd == "create" && len(args) >= 2:
		return st.create(args[0], args[1], args[2:], exist, number)
	case cmd == "del" && len(args) >= 2:
		return st.del(args[0], args[1], args[2:], exist)
	case cmd == "destroy" && len(args) <= 1:
		return st.destroy(args, exist)
	case cmd == "flush" && len(args) <= 1:
		return st.flush(args)
	case cmd == "rename" && len(args) == 2:
		return st.rename(args[0], args[1])
	case cmd == "swap" && len(args) == 2:
		return st.swap(args[0], args[1])
	case cmd == "":
		return fmt.Errorf("%q is no command of ipset restore", line[:min(len(line), 40)])
	}
	return fmt.Errorf("%s: wrong number of arguments", cmd)
}

// commands are the commands that make sense in a dump, in the order in which
// ipset tries them: a word may be cut short.
var commands = []struct {
	name  string
	words []string
}{
	{"create", []string{"create", "new", "-N"}},
	{"add", []string{"add", "-A"}},
	{"del", []string{"del", "-D"}},
	{"", []string{"test", "-T"}},
	{"destroy", []string{"destroy", "x", "-X"}},
	{"", []string{"list", "-L", "save", "-S", "restore", "-R"}},
	{"flush", []string{"flush", "-F"}},
	{"rename", []string{"rename", "e", "-E"}},
	{"swap", []string{"swap", "w", "-W"}},
}

func commandOf(word string) string {
	w := strings.TrimPrefix(word, "--")
	if w == "" || w == "-" {
		return ""
	}
	for _, c := range commands {
		for _, name := range c.words {
			if strings.HasPrefix(name, w) {
				return c.name
			}
		}
	}
	return ""
}

// environment takes the options that may stand anywhere out of the words, even
// for a name or a comment, and returns whether -exist was among them. Those
// that are not for a dump are errors: -file NAME, -output FORMAT and such.
func environment(args []string) ([]string, bool, error) {
	exist := false
	out := args[:0]
	for _, a := range args {
		o := a
		if strings.HasPrefix(a, "--") {
			o = a[1:]
		}
		switch o {
		case "-!", "-exist":
			exist = true
			continue
		case "-q", "-quiet":
			continue
		case "-f", "-file", "-o", "-output", "-s", "-sorted", "-r", "-resolve", "-n", "-name", "-t", "-terse":
			return nil, false, fmt.Errorf("%s is no option for a line of a dump", a)
		}
		out = append(out, a)
	}
	return out, exist, nil
}
