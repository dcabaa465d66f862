package packets

// immutable widens a diagram until it asks for nothing that rules may change
// on the way.
func (d *differ) immutable(n node) node {
	changed := *d.changed
	return d.forget(n, &changed)
}

// changedFields are what any rule of either side changes.
func (d *differ) changedFields() *[fields]bool {
	var changed [fields]bool
	for _, p := range []*program{d.old, d.new} {
		for _, t := range p.list {
			for _, c := range t.list {
				for i := range c.rules {
					d.u.changed(&changed, &c.rules[i].action.effect)
				}
			}
		}
	}
	return &changed
}

// forget widens a diagram until it asks for none of the fields, nor for what
// happened on the way.
func (d *differ) forget(n node, changed *[fields]bool) node {
	for _, f := range hidden {
		changed[f] = true
	}
	if len(d.u.translations) > 1 || len(d.u.sources) > 1 {
		// An unknown is another one behind each translation: which of them holds
		// is no small diagram without the translation.
		n = d.whatever(n)
	}
	for f := range fields {
		if !changed[f] {
			continue
		}
		levels := d.fields[f].levels
		if k := len(levels); k > 0 && !f.bitwise() {
			n = d.exists(n, levels[0], levels[k-1])
			continue
		}
		for _, level := range levels { // those of the marks stand between one another
			n = d.exists(n, level, level)
		}
	}
	return n
}

// changed notes the fields that an effect changes.
func (u *universe) changed(out *[fields]bool, e *effect) {
	if *e == noEffect {
		return
	}
	note := func(f field, yes bool) { out[f] = out[f] || yes }
	note(fieldMark, e.mark != keepMark)
	note(fieldConnmark, e.connmark != keepConnmark)
	note(fieldMarkMade, e.markMade || e.connmarkMade)
	note(fieldTOS, e.tosKeep != 255 || e.tosFlip != 0)
	note(fieldTTL, e.ttl != sameLifetime)
	if e.source != 0 {
		t := &u.sources[e.source]
		note(fieldSNAT, true)
		note(fieldSrc, t.to != nil)
		note(fieldSport, t.port != nil)
	}
	if e.translation != 0 {
		t := &u.translations[e.translation]
		note(fieldDst, t.to != nil || t.local)
		note(fieldDport, t.port != nil)
		note(fieldDNAT, true)
	}
}
