package packets

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// connected says that the packet has a connection, as the rule that is read sees
// it: in table raw a template is all that there may be.
func (r *reader) connected() *condition {
	switch {
	case !r.raw:
		return hasConnection(r.v6)
	case r.tracking&templates == 0:
		return no
	}
	return is(fieldTemplate, 1)
}

// ofTemplate is what an option of conntrack or connmark, without its negation,
// says of a template: it is confirmed, and all else of it is zero
// (xt_ct_tg_check of xt_CT.c, nf_ct_tmpl_alloc of nf_conntrack_core.c).
func (r *reader) ofTemplate(m *xtables.Module, o *xtables.Option) *condition {
	switch o.Name {
	case "--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst":
		if c, err := r.address(fieldSrc, o.Value()); err == nil {
			return constant(c.op == always || c.op == inSet && c.set.contains(value{}) || c.op == masked && c.want == value{})
		}
	case "--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport":
		low, _, _ := strings.Cut(o.Value(), ":")
		if n, err := strconv.ParseUint(low, 10, 16); err == nil {
			return constant(n == 0)
		}
	case "--ctstatus":
		return constant(slices.Contains(strings.Split(o.Value(), ","), "CONFIRMED"))
	}
	one := xtables.Module{Name: m.Name, Options: []xtables.Option{*o}}
	one.Options[0].Negated = false
	return r.unknownMatch(moduleText(&one), "raw", false)
}

// rawModules are matches that ask for more of a connection than a template has:
// one that asked for it, labels, counters (xt_helper.c, xt_connlabel.c,
// xt_connbytes.c).
var rawModules = map[string]func(*reader, *xtables.Module) *condition{
	"helper": negated, "connlabel": negated,
	"connbytes": func(*reader, *xtables.Module) *condition { return no },
}

func negated(_ *reader, m *xtables.Module) *condition {
	return constant(slices.ContainsFunc(m.Options, func(o xtables.Option) bool { return o.Negated }))
}
