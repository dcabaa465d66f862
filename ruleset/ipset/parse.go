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

// state is what the commands so far have made.
type state struct {
	sets map[string]*set
	// expanded counts the elements that ranges stood for.
	expanded int
}

// maxExpanded bounds what the ranges of one file may stand for: a line of 30
// bytes can name 65,536 elements.
const maxExpanded = 1 << 22

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
	args, exist := environment(args)
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

// environment takes the options that may stand anywhere out of the words, and
// returns whether -exist was among them.
func environment(args []string) ([]string, bool) {
	exist := false
	out := args[:0]
	for _, a := range args {
		if len(a) >= 2 && a[0] == '-' {
			switch strings.TrimPrefix(a, "-") {
			case "!", "exist", "-exist":
				exist = true
				continue
			case "q", "quiet", "-quiet":
				continue
			}
		}
		out = append(out, a)
	}
	return out, exist
}

func (st *state) get(name string) (*set, error) {
	if s := st.sets[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("there is no set %q", name)
}

func (st *state) create(name, typeName string, args []string, exist bool, line int) error {
	s, err := newSet(name, typeName, args)
	if err != nil {
		return err
	}
	if old := st.sets[name]; old != nil {
		if exist && old.typ == s.typ && old.v6 == s.v6 {
			return nil
		}
		return fmt.Errorf("set %s exists already", name)
	}
	s.line = line
	st.sets[name] = s
	return nil
}

func (st *state) destroy(args []string, exist bool) error {
	if len(args) == 0 {
		clear(st.sets)
		return nil
	}
	if st.sets[args[0]] == nil && exist {
		return nil
	}
	if _, err := st.get(args[0]); err != nil {
		return err
	}
	if by := st.user(args[0]); by != "" {
		return fmt.Errorf("set %s is in use by list %s", args[0], by)
	}
	delete(st.sets, args[0])
	return nil
}

// user returns a list that holds the set.
func (st *state) user(name string) string {
	for _, s := range st.sets {
		if slices.Contains(s.order, name) {
			return s.name
		}
	}
	return ""
}

func (st *state) flush(args []string) error {
	if len(args) == 0 {
		for _, s := range st.sets {
			s.flush()
		}
		return nil
	}
	s, err := st.get(args[0])
	if err != nil {
		return err
	}
	s.flush()
	return nil
}

func (st *state) rename(from, to string) error {
	s, err := st.get(from)
	if err != nil {
		return err
	}
	if err := checkName(to); err != nil {
		return err
	}
	if st.sets[to] != nil {
		return fmt.Errorf("set %s exists already", to)
	}
	if by := st.user(from); by != "" {
		return fmt.Errorf("set %s is in use by list %s", from, by)
	}
	delete(st.sets, from)
	s.name = to
	st.sets[to] = s
	return nil
}

// swap exchanges the names. A list refers to the name, not to the content.
func (st *state) swap(a, b string) error {
	x, err := st.get(a)
	if err != nil {
		return err
	}
	y, err := st.get(b)
	if err != nil {
		return err
	}
	if x.typ != y.typ || x.v6 != y.v6 {
		return fmt.Errorf("sets %s and %s are of different types", a, b)
	}
	x.name, y.name = b, a
	st.sets[a], st.sets[b] = y, x
	return nil
}

func (st *state) add(name, elem string, args []string, exist bool) error {
	s, err := st.get(name)
	if err != nil {
		return err
	}
	elems, err := s.elements(elem)
	if err != nil {
		return err
	}
	if st.expanded += len(elems) - 1; st.expanded > maxExpanded {
		return fmt.Errorf("the ranges of the file hold more than %d elements", maxExpanded)
	}
	options, where, ref, err := s.memberOptions(args)
	if err != nil {
		return err
	}
	if s.typ.name == "list:set" {
		if err := st.enlist(s, elem, where, ref, exist); err != nil {
			return err
		}
	}
	return s.add(elems, options, exist)
}

// enlist gives a list:set's new member its place.
func (st *state) enlist(s *set, elem, where, ref string, exist bool) error {
	m, err := st.get(elem)
	if err != nil {
		return err
	}
	if m.typ.name == "list:set" {
		return fmt.Errorf("list %s cannot be a member of a list", elem)
	}
	if slices.Contains(s.order, elem) {
		return nil // add reports it, or leaves it in its place
	}
	at := len(s.order)
	if where != "" {
		i := slices.Index(s.order, ref)
		switch {
		case i < 0:
			return fmt.Errorf("%s is not in list %s", ref, s.name)
		case where == "after":
			at = i + 1
		default:
			at = i
		}
	}
	s.order = slices.Insert(s.order, at, elem)
	return nil
}

func (st *state) del(name, elem string, args []string, exist bool) error {
	s, err := st.get(name)
	if err != nil {
		return err
	}
	if len(args) > 0 && s.typ.name != "list:set" {
		return fmt.Errorf("del takes no %q", args[0])
	}
	elems, err := s.elements(elem)
	if err != nil {
		return err
	}
	return s.del(elems, exist)
}
