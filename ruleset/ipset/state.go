package ipset

import (
	"fmt"
	"slices"
)

// state is what the commands so far have made.
type state struct {
	sets map[string]*set
	// expanded counts the elements that ranges stood for.
	expanded int
}

// maxExpanded bounds what the ranges of one file may stand for: a line of 30
// bytes can name 65,536 elements.
const maxExpanded = 1 << 22

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
	if err := CheckName(to); err != nil {
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
