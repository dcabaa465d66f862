package netfilter

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// source is where a thing was read: its table, and the names of ipsets there.
type source struct {
	t     *objTable
	names map[uint16]string
}

// mark is what makes a rule that rule, in short: two have the same with a
// probability of nothing, by seeds that nobody knows beforehand.
type mark [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// marks computes the marks of rules, with other names for some ipsets.
type marks struct {
	names map[string]string
	buf   []byte
}

func (m *marks) of(r *objRule) mark {
	if r.mark != (mark{}) && len(m.names) == 0 {
		return r.mark
	}
	b := m.buf[:0]
	add := func(data []byte) {
		b = binary.NativeEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	for i := range r.exprs {
		e := &r.exprs[i]
		b = append(append(b, e.name...), 0)
		add(e.data)
		for _, s := range e.sets {
			if n, ok := m.names[s]; ok {
				s = n
			}
			b = append(append(b, s...), 0)
		}
	}
	b = append(b, 1) // no name begins so
	add(r.userdata)
	m.buf = b
	out := mark{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)}
	if len(m.names) == 0 {
		r.mark = out
	}
	return out
}

// rules changes the rules of a chain from those of from to those of to: lt is
// the table that from and former are of, wt that of to. Rules that are not in
// place take their state from the same rule of former.
func (s *scripter) rules(lt, wt *objTable, to, from, former *objChain) {
	if former == nil {
		former = &objChain{}
	}
	live, wanted := make([]mark, len(from.rules)), make([]mark, len(to.rules))
	m := &marks{}
	for i := range from.rules {
		live[i] = m.of(&from.rules[i])
	}
	m.names = s.opts.Stand
	for i := range to.rules {
		wanted[i] = m.of(&to.rules[i])
	}
	pairs := align(live, wanted)
	kept := make([]bool, len(from.rules))
	n := 0
	for _, i := range pairs {
		if i >= 0 {
			kept[i] = true
			n++
		}
	}
	s.script.Kept += n
	s.script.Deleted += len(live) - n
	s.script.Inserted += len(wanted) - n
	gone := s.states(former, from, kept)
	flushed := s.flush(lt, from, n)
	what := "chain " + to.name
	// From one kept rule to the next: what is wanted between them takes the
	// places of what stands there.
	i, at := 0, 0
	for i <= len(to.rules) {
		end := i
		for end < len(to.rules) && pairs[end] < 0 {
			end++
		}
		next := len(from.rules)
		if end < len(to.rules) {
			next = pairs[end]
		}
		for ; i < end || at < next; i, at = i+1, at+1 {
			o := op{family: familyNumber(lt.family), what: what}
			o.attrs = s.named(lt, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, to.name)
			handle := func(typ uint16, i int) {
				o.attrs = attr(o.attrs, typ, binary.BigEndian.AppendUint64(nil, from.rules[i].handle))
			}
			o.msg = unix.NFT_MSG_NEWRULE
			switch old := at < next && !flushed; {
			case i >= end && !old:
				continue
			case i >= end:
				o.msg = unix.NFT_MSG_DELRULE
				handle(unix.NFTA_RULE_HANDLE, at)
			case old: // with one search: to find a rule the kernel walks the chain
				o.flags = netlink.Replace
				handle(unix.NFTA_RULE_HANDLE, at)
			case next < len(from.rules):
				o.flags = netlink.Create
				handle(unix.NFTA_RULE_POSITION, next)
			default:
				o.flags = netlink.Create | netlink.Append
			}
			if i < end {
				r, src := &to.rules[i], source{wt, s.wanted.names}
				if len(gone) > 0 {
					k := (&marks{names: s.opts.Alias}).of(r)
					if q := gone[k]; len(q) > 0 {
						r, src = q[0], source{lt, s.live.names}
						gone[k] = q[1:]
						s.script.Moved++
					}
				}
				s.rule(&o, src, r)
			}
			s.parts[partRules] = append(s.parts[partRules], o)
		}
		i, at = end+1, next+1
	}
}

// flush deletes all rules of a chain at once if none is kept.
func (s *scripter) flush(t *objTable, c *objChain, kept int) bool {
	if kept > 0 || len(c.rules) == 0 {
		return false
	}
	s.add(partRules, t, unix.NFT_MSG_DELRULE, 0, s.named(t, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, c.name), "chain "+c.name)
	return true
}

// states returns the rules that were in a chain and do not stay where they are,
// by what they are: their counters go on where such a rule is inserted.
func (s *scripter) states(former, from *objChain, kept []bool) map[mark][]*objRule {
	gone := map[mark][]*objRule{}
	m := &marks{names: s.opts.Alias}
	for i := range former.rules {
		if len(from.rules) > 0 && kept[i] {
			continue
		}
		k := m.of(&former.rules[i])
		gone[k] = append(gone[k], &former.rules[i])
	}
	return gone
}

// rule writes a rule as the kernel told it into a message, with its state and
// with the sets of this transaction.
func (s *scripter) rule(o *op, from source, r *objRule) {
	var exprs []byte
	for typ, v := range attributes(r.raw) {
		if typ == unix.NFTA_RULE_EXPRESSIONS {
			exprs = v
		}
	}
	if len(exprs) > 0 {
		start := len(o.attrs) + unix.NLA_HDRLEN
		out := make([]byte, 0, len(exprs))
		for typ, whole := range wholeAttributes(exprs) {
			out = append(out, s.expression(o, start+len(out), from, typ, whole)...)
		}
		o.attrs = attr(o.attrs, unix.NFTA_RULE_EXPRESSIONS|unix.NLA_F_NESTED, out)
	}
	if c, ok := compat(from.t.family, exprs); ok {
		o.attrs = attr(o.attrs, unix.NFTA_RULE_COMPAT|unix.NLA_F_NESTED, c)
	}
	if len(r.userdata) > 0 {
		o.attrs = attr(o.attrs, unix.NFTA_RULE_USERDATA, r.userdata)
	}
}

// expression returns one expression of a rule for a message, at whose place at
// it will stand: a whole attribute.
func (s *scripter) expression(o *op, at int, from source, typ uint16, whole []byte) []byte {
	name, data := nameAndData(whole[unix.NLA_HDRLEN:])
	var inline []byte
	switch name {
	case "match", "target":
		s.extension(o, at, from, name, whole)
	case "lookup":
		inline = s.inline(from, data, unix.NFTA_LOOKUP_SET, unix.NFTA_LOOKUP_SET_ID)
	case "objref":
		inline = s.inline(from, data, 4, 5) // NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID
	case "dynset":
		inline = s.inline(from, data, unix.NFTA_DYNSET_SET_NAME, unix.NFTA_DYNSET_SET_ID)
	case "immediate":
		if chain := verdictChain(data); from.t.bound[chain] {
			s.fail(from.t, "an anonymous chain")
		}
	}
	if inline == nil {
		return whole
	}
	e := text(nil, unix.NFTA_EXPR_NAME, name)
	return attr(nil, typ|unix.NLA_F_NESTED, attr(e, unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, inline))
}

// verdictChain returns the chain that an immediate expression goes to.
func verdictChain(data []byte) (chain string) {
	for typ, v := range attributes(data) {
		if typ != unix.NFTA_IMMEDIATE_DATA {
			continue
		}
		for typ, v := range attributes(v) {
			if typ != unix.NFTA_DATA_VERDICT {
				continue
			}
			for typ, v := range attributes(v) {
				if typ == unix.NFTA_VERDICT_CHAIN {
					chain = cstring(v)
				}
			}
		}
	}
	return chain
}

// extension notes where an xt match or target holds the index of an ipset.
func (s *scripter) extension(o *op, at int, from source, kind string, whole []byte) {
	var name string
	var rev uint32
	var info []byte
	_, data := nameAndData(whole[unix.NLA_HDRLEN:])
	for typ, v := range attributes(data) {
		switch typ {
		case unix.NFTA_MATCH_NAME:
			name = cstring(v)
		case unix.NFTA_MATCH_REV:
			rev = be32(v)
		case unix.NFTA_MATCH_INFO:
			info = v
		}
	}
	const elf = 2 // XT_BPF_MODE_FD_ELF
	if kind == "match" && name == "bpf" && rev == 1 && len(info) >= 2 && native16(info) == elf {
		s.fail(from.t, "a bpf program that its loader held open")
		return
	}
	for _, off := range setOffsets(kind, name, byte(rev)) {
		if off+2 > len(info) {
			continue
		}
		index := native16(info[off:])
		if index == ipsetInvalid {
			continue
		}
		set, ok := from.names[index]
		if !ok {
			s.fail(from.t, "an ipset without a name")
			return
		}
		if stable, ok := s.opts.Alias[set]; ok {
			set = stable
		}
		if stand, ok := s.opts.Stand[set]; ok {
			set = stand
		}
		// info is a part of whole, which ends where its capacity does.
		o.fix = append(o.fix, fixup{at + cap(whole) - cap(info) + off, set})
	}
}
