package nft

// format returns the canonical document and notes the lines in it.
func (doc *document) format() []byte {
	if len(doc.tables) == 0 {
		return nil
	}
	w := &writer{b: []byte("{\"nftables\": [\n"), line: 2}
	for _, t := range doc.tables {
		w.object("table", t.def)
		for _, c := range t.chains {
			c.line = w.line
			w.object("chain", c.def)
		}
		for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
			for _, o := range list {
				w.object(o.kind, o.def)
			}
		}
		for _, s := range t.sets {
			w.elements(t, s)
		}
		for _, c := range t.chains {
			for _, r := range c.rules {
				r.line = w.line
				w.object("rule", r.def)
			}
		}
	}
	return append(w.b, "\n]}\n"...)
}

// writer writes objects a line each.
type writer struct {
	b       []byte
	line    int
	started bool
}

// next begins a line; line is the number of the one that is being written.
func (w *writer) next() {
	if w.started {
		w.b = append(w.b, ",\n"...)
	}
	w.started = true
}

func (w *writer) object(kind string, def object) {
	w.next()
	w.b = encode(w.b, object{kind: def})
	w.line++
}

// elements writes a set's elements, one a line.
func (w *writer) elements(t *table, s *thing) {
	if len(s.elems) == 0 {
		return
	}
	w.next()
	head := encode(nil, object{"family": t.family, "table": t.name, "name": s.name})
	w.b = append(w.b, `{"element": `...)
	w.b = append(w.b, head[:len(head)-1]...)
	w.b = append(w.b, `, "elem": [`...)
	for i, e := range s.elems {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '\n')
		w.b = encode(w.b, e)
	}
	w.b = append(w.b, "\n]}}"...)
	w.line += len(s.elems) + 2
}
