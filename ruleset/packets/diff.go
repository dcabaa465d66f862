package packets

import (
	"context"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// Options bound a comparison. The zero value has bounds that fit a build
// server.
type Options struct {
	// MaxNodes bounds the memory: about 40 bytes for each. 0 is 12 million.
	MaxNodes int
	// MaxRegions and MaxBoxes bound what is reported: the regions of a journey
	// and the boxes of a region. 0 is 200 and 64. Where they cut, the report
	// says so.
	MaxRegions, MaxBoxes int
}

func (o *Options) defaults() {
	if o.MaxNodes == 0 {
		o.MaxNodes = 12_000_000
	}
	if o.MaxRegions == 0 {
		o.MaxRegions = 200
	}
	if o.MaxBoxes == 0 {
		o.MaxBoxes = 64
	}
}

// Report is where two snapshots treat packets differently.
type Report struct {
	// Regions are in the order of families and Journeys; what is newly allowed
	// comes before what is newly blocked and what changed otherwise.
	Regions []Region
	// Cut says that there are more regions than Options allow.
	Cut bool
	// Structural names what changed and is not part of packet space: "arp",
	// "bridge", "native nftables".
	Structural []string
}

// Diff returns where two snapshots treat any packet differently, exactly. A
// nil snapshot accepts everything. Errors wrap ErrTooLarge, the context's, or
// are a *LoopError.
func Diff(ctx context.Context, old, new *ruleset.Snapshot, opts Options) (*Report, error) {
	opts.defaults()
	names := align(old, new)
	r := &Report{Structural: structural(old, new)}
	for _, family := range []ruleset.Family{ruleset.IPv4, ruleset.IPv6} {
		if !names.touches(family) {
			continue
		}
		if err := diffFamily(ctx, r, family, old, new, names, opts); err != nil {
			return nil, fmt.Errorf("%s: %w", family, err)
		}
	}
	return r, nil
}

// touches says whether anything changed that can concern packets of a family.
func (a *alignment) touches(f ruleset.Family) bool {
	if len(a.sets) > 0 {
		return true
	}
	for id := range a.chains {
		if id.family == f {
			return true
		}
	}
	return false
}

func structural(old, new *ruleset.Snapshot) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range ruleset.Diff(old, new) {
		name := ""
		switch {
		case c.Native:
			name = "native nftables"
		case c.Family == ruleset.ARP || c.Family == ruleset.Bridge:
			name = string(c.Family)
		}
		if name != "" && !seen[name] {
			seen[name], out = true, append(out, name)
		}
	}
	return out
}

func diffFamily(ctx context.Context, r *Report, family ruleset.Family, old, new *ruleset.Snapshot, names *alignment, opts Options) error {
	u := newSharedUniverse(family, old, new)
	shared := &specs{map[string]*xtables.Spec{}, map[string]*reading{}}
	a, err := load(u, shared, old, family, nil)
	if err != nil {
		return err
	}
	b, err := load(u, shared, new, family, names)
	if err != nil {
		return err
	}
	return guard(func() {
		d := newDiffer(prepare(ctx, opts.MaxNodes, u, a, b), a, b, opts)
		d.names = names
		for _, j := range Journeys {
			d.journeyDiff(r, j)
		}
	})
}

// differ compares two programs.
type differ struct {
	*builder
	old, new *program
	names    *alignment
	opts     Options
	stateful bool
	// journeyNow is the journey that is compared.
	journeyNow Journey
	spots      map[spotKey][]node
	outlines   outlines
	// changed are the fields that any rule changes.
	changed *[fields]bool
	// scratch is the store of the piece that is looked at.
	scratch  *store
	names128 []interfaceName
	spoken   *[states]bool
}

func newDiffer(b *builder, old, new *program, opts Options) *differ {
	d := &differ{builder: b, old: old, new: new, opts: opts, outlines: outlines{}, scratch: newStore(b.ctx, opts.MaxNodes)}
	d.changed = d.changedFields()
	d.names128 = knownNames(d.conditions, b.u.v6)
	d.stateful = old.stateful() && new.stateful()
	return d
}

type spotKey struct {
	old, new *chain
	at       place
}

// journeyDiff adds the regions of one journey. It asks for outcomes first, and
// for the rules that decide only where those differ.
func (d *differ) journeyDiff(r *Report, j Journey) {
	d.spots, d.journeyNow = map[spotKey][]node{}, j
	d.spoken = spokenStates(append(d.old.stages(j), d.new.stages(j)...))
	domain := d.domain(possible(j, d.u, d.old.native || d.new.native, d.stateful))
	f := newFound()
	way := d.passages(j)
	for _, p := range d.pieces(d.suspects(way), domain, way) {
		d.look(j, p, f)
	}
	if len(f.groups) == 0 {
		return
	}
	regions, cut := d.regions(j, f.all(d), domain)
	r.Regions = append(r.Regions, regions...)
	r.Cut = r.Cut || cut
}

// outcomesDiffer says whether two leaves mean different outcomes. A mark is
// told as it is changed: two ways to change it are two outcomes, also for
// those packets for which they come to the same.
func (d *differ) outcomesDiffer(x, y *leaf) node {
	if x.kind != y.kind || x.final != y.final || x.with != y.with || x.effect != y.effect {
		return trueNode
	}
	return falseNode
}

// marksDiffer is where two effects leave different marks or types of service,
// if that is all they differ in, and everywhere if not.
func (d *differ) marksDiffer(x, y *leaf) node {
	e, f := d.effects[x.effect], d.effects[y.effect]
	same := e
	same.mark, same.connmark, same.tosKeep, same.tosFlip = f.mark, f.connmark, f.tosKeep, f.tosFlip
	if same != f || x.kind != y.kind || x.final != y.final || x.with != y.with {
		return trueNode
	}
	n := d.linearDiffer(e.mark, f.mark)
	n = d.or(n, d.linearDiffer(e.connmark, f.connmark))
	for bit := range 8 {
		k, l := e.tosKeep>>bit&1, f.tosKeep>>bit&1
		n = d.or(n, d.bitDiffer([]field{fieldTOS}, []bool{k != l}, bit, (e.tosFlip^f.tosFlip)>>bit&1 == 1))
	}
	return n
}

func (d *differ) linearDiffer(x, y linear) node {
	n := falseNode
	for bit := range 32 {
		m, c := (x.mark^y.mark)>>bit&1 == 1, (x.connmark^y.connmark)>>bit&1 == 1
		n = d.or(n, d.bitDiffer([]field{fieldMark, fieldConnmark}, []bool{m, c}, bit, (x.constant^y.constant)>>bit&1 == 1))
	}
	return n
}

// bitDiffer is where the sum of a constant and of those bits that count is 1.
// A bit that no rule tests may be either: then there are packets of each kind.
func (d *differ) bitDiffer(of []field, counts []bool, bit int, constant bool) node {
	n := falseNode
	if constant {
		n = trueNode
	}
	for i, f := range of {
		if !counts[i] {
			continue
		}
		fl := &d.fields[f]
		level := int32(-1)
		for k, b := range fl.bits {
			if b == bit && fl.used {
				level = fl.levels[k]
			}
		}
		if level < 0 {
			return trueNode
		}
		v := d.variable(level)
		n = d.choose(v, d.not(n), n)
	}
	return n
}
