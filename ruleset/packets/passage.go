package packets

// passage is a hook of a journey, with what the rules of both sides there can
// make of packets.
type passage struct {
	hook
	old, new stage
	// changed are the fields that rules change and that rules behind them in the
	// same table see, for the packets in changes.
	changed [fields]bool
	changes node
	// translators are the rules whose target is the table's last word.
	translators []translator
}

// translator is a rule, or several, that translate alike.
type translator struct {
	effect  *effect
	leaf    node // continues, with the effect
	changed [fields]bool
	fits    node
}

// passages returns the hooks of a journey in order.
func (d *differ) passages(j Journey) []passage {
	list := hooks[j]
	if j == Forward && d.u.redirects() {
		list = append(append(append([]hook(nil), list[:3]...), arrivals...), list[3:]...)
	}
	old, new := d.old.stagesOf(list), d.new.stagesOf(list)
	var out []passage
	for _, h := range list {
		p := passage{hook: h, old: stageOf(old, h), new: stageOf(new, h)}
		d.makers(&p)
		out = append(out, p)
	}
	return out
}

func stageOf(list []stage, h hook) stage {
	for _, s := range list {
		if s.hook == h {
			return s
		}
	}
	return stage{}
}

// makers finds the rules of a hook that change packets.
func (d *differ) makers(p *passage) {
	var translating []*rule
	var fits []node
	for _, s := range []stage{p.old, p.new} {
		for _, base := range s.chains {
			if base == nil {
				continue
			}
			for _, c := range base.table.list {
				for i := range c.rules {
					r := &c.rules[i]
					switch e := &r.action.effect; {
					case *e == noEffect:
					case e.translation != 0 || e.source != 0:
						translating = append(translating, r)
					default:
						d.u.changed(&p.changed, e)
						fits = append(fits, d.fits(r.fits, p.place))
					}
				}
			}
		}
	}
	p.changes = d.roughly(d.forget(d.orAll(fits), &p.changed))
	known := map[effect]int{}
	for _, r := range translating {
		e := &r.action.effect
		k, ok := known[*e]
		if !ok {
			k = len(p.translators)
			known[*e] = k
			t := translator{effect: e, leaf: d.leafNode(leaf{effect: d.effect(*e)}), fits: falseNode}
			d.u.changed(&t.changed, e)
			p.translators = append(p.translators, t)
		}
		t := &p.translators[k]
		t.fits = d.or(t.fits, d.roughly(d.forget(d.fits(r.fits, p.place), &p.changed)))
	}
}

// whatever widens a diagram until it asks for no unknown.
func (d *differ) whatever(n node) node {
	if k := len(d.atoms); k > 0 { // their levels are the last ones, in a row
		return d.exists(n, d.atoms[0], d.atoms[k-1])
	}
	return n
}

// roughly widens a diagram that is to be met with those of all suspects, each
// on its own: it asks for no unknown, and where it is large for nothing.
func (d *differ) roughly(n node) node {
	if n = d.whatever(n); d.larger(n, maxMaker) {
		return trueNode
	}
	return n
}

// maxCare is how large a diagram of what packets may be at a place is at most:
// what it saves is less than what it costs then.
const maxCare = 1 << 16

// maxMaker is how many nodes are too many to be met with each suspect.
const maxMaker = 2000

// within widens packets at a hook by those that its rules may make of them, or
// them of.
func (d *differ) within(n node, p *passage) node {
	if p.changes == falseNode {
		return n
	}
	return d.or(n, d.and(d.forget(n, &p.changed), p.changes))
}

// before is where packets come from that are in n behind a hook.
func (d *differ) before(n node, p *passage) node {
	most := maxMaker
	for d.larger(n, most) {
		most *= 2
	}
	out := n
	for i := range p.translators {
		t := &p.translators[i]
		out = d.or(out, d.and(t.fits, d.preimage(n, t.leaf)))
		if d.larger(out, most+maxMaker) {
			var changed [fields]bool
			for i := range p.translators {
				for f, yes := range p.translators[i].changed {
					changed[f] = changed[f] || yes
				}
			}
			out = d.or(n, d.forget(n, &changed))
			break
		}
	}
	return d.within(out, p)
}

// behind is what becomes of packets that are in n at a hook, those that its
// rules do not let through as well.
func (d *differ) behind(n node, p *passage) node {
	out := n
	for i := range p.translators {
		t := &p.translators[i]
		if hit := d.and(t.fits, n); hit != falseNode {
			out = d.or(out, d.image(hit, t))
		}
		if d.larger(out, maxCare) {
			return trueNode
		}
	}
	return out
}

// image is what a translation makes of packets, as far as that is known.
func (d *differ) image(n node, t *translator) node {
	changed := t.changed
	n = d.forget(n, &changed)
	set := func(of *translation, address, port field) {
		if of.to != nil && of.known() && d.fields[address].used {
			n = d.and(n, d.exactly(address, of.to[0].low))
		}
		if of.port != nil && of.knownPort() && d.fields[port].used {
			n = d.and(n, d.exactly(port, of.port[0].low))
		}
	}
	if t.effect.translation != 0 {
		set(&d.u.translations[t.effect.translation], fieldDst, fieldDport)
	}
	if t.effect.source != 0 {
		set(&d.u.sources[t.effect.source], fieldSrc, fieldSport)
	}
	return n
}
