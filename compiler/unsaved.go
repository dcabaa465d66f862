package compiler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// unsaved looks for the call whose rule a save program fails on, or prints as
// something that is no dump. It returns nil if that cannot be told.
func (s *stage) unsaved(ctx context.Context, h *history, calls []Call, cause error) *loss {
	ctx, cancel := context.WithTimeout(ctx, culpritTime)
	defer cancel()
	what := func(from origin) *loss {
		where := ""
		if from.line > 0 {
			where = fmt.Sprintf("line %d of its input: ", from.line)
		}
		return &loss{Call: from.call, What: fmt.Sprintf("%sthey fail on it: %v", where, cause)}
	}
	// A dump has a rule a line.
	for i := range calls {
		c := &calls[i]
		if _, _, ok := s.programOf(c); ok && c.Status == 0 && strings.ContainsAny(strings.Join(c.Args, ""), "\n\r") {
			return what(origin{call: i})
		}
	}
	for _, prog := range slices.SortedFunc(maps.Keys(h.programs), compareProgram) {
		p := h.programs[prog]
		list := p.standing()
		bad := func(from, to int) bool {
			_, err := s.load(ctx, nil, p.sheet(nil, list, from, to))
			var le *netfilter.LoadError
			return err != nil && !errors.As(err, &le)
		}
		if len(list) == 0 || !bad(0, len(list)) {
			continue
		}
		from, to := 0, len(list)
		for to-from > 1 {
			if half := (from + to) / 2; bad(from, half) {
				to = half
			} else {
				from = half
			}
		}
		if ctx.Err() == nil && bad(from, to) {
			return what(list[from].origin)
		}
	}
	return nil
}

// standing are the rules that the calls leave behind.
func (p *past) standing() []suspect {
	var list []suspect
	for _, name := range slices.Sorted(maps.Keys(p.tables)) {
		for _, c := range p.tables[name].Chains {
			for i := range c.Rules {
				list = append(list, suspect{addition{origin: p.origin(&c.Rules[i]), table: name, chain: c.Name}, c.Rules[i].Text})
			}
		}
	}
	return list
}
