package apply

import (
	"fmt"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

// guard keeps a change that is made table by table from writing over what others
// do meanwhile: the programs replace a table whole, whatever is in it. The kernel
// numbers its rulesets, so that a change of others' shows ahead of each step. The
// zero guard lets everything pass.
type guard struct {
	generation uint32 // of nf_tables as this change left it; 0 for any
	begun      bool   // something was changed by us
}

// guardOf begins with the ruleset that a change starts from.
func guardOf(from *State) guard {
	if from.Objects == nil {
		return guard{}
	}
	return guard{generation: from.Objects.Generation()}
}

// check returns netfilter.ErrGeneration if others have changed the firewall and
// this change has not yet, and an ErrBusy if it has: then it is to be undone.
func (g *guard) check() error {
	if g.generation == 0 {
		return nil
	}
	switch now, err := netfilter.Generation(); {
	case err != nil:
		return err
	case now == g.generation:
		return nil
	case g.begun:
		return fmt.Errorf("%w: it changed while tables were replaced one by one", ErrBusy)
	}
	return netfilter.ErrGeneration
}

// step makes one step, if others kept still since the last.
func (g *guard) step(do func() error) error {
	if err := g.check(); err != nil {
		return err
	}
	g.begun = true
	if err := do(); err != nil || g.generation == 0 {
		return err
	}
	now, err := netfilter.Generation()
	g.generation = now
	return err
}
