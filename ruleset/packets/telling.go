package packets

import (
	"slices"
	"strings"
)

// before is 1 of what packets seldom have before a rule gives it to them.
func before(mark bool) int {
	if mark {
		return 1
	}
	return 0
}

// mostExcept is how many sets of packets a region is told without.
const mostExcept = 3

// mostBoxes is how many boxes are too many to look for other words.
const mostBoxes = 24

// telling finds the shortest words for a set of packets: its boxes, or one box
// but for a few. Of packets that are rare and alone make the words long it says
// that there are some.
func (d *differ) telling(where, domain node, boxes []Box, cut bool) string {
	boxes = slices.Clone(boxes)
	slices.SortStableFunc(boxes, func(a, b Box) int { return before(a.Mark != nil) - before(b.Mark != nil) })
	best := boxesWords(boxes, cut)
	if len(boxes) < 2 || len(boxes) > mostBoxes {
		return best
	}
	if text := d.except(where, domain); text != "" && len(text) < len(best) {
		best = text
	}
	// No word may be false of the packets in the background.
	others, also := d.less(domain, where), ""
	for _, r := range d.rare() {
		rest := d.less(where, r.packets)
		if rest == where || rest == falseNode {
			continue
		}
		plain := d.less(domain, r.packets)
		text := ""
		if list, more := d.few(rest, plain, len(boxes)-1); !more {
			claimed := falseNode
			var told []Box
			for i := range list {
				claimed = d.or(claimed, d.cubeNode(&list[i], fields, -1))
				told = append(told, d.box(&list[i]))
			}
			if d.and(claimed, others) == falseNode {
				text = boxesWords(told, false)
			}
		}
		if t := d.exceptTrue(rest, plain, others); t != "" && (text == "" || len(t) < len(text)) {
			text = t
		}
		and := "  and some " + r.words
		if also != "" {
			and = also + ", " + r.words
		}
		if text != "" && len(text)+len(and) < len(best) {
			best, also, where, domain = text+and, and, rest, plain
		}
	}
	return best
}

// rare is a kind of packets that may stay in the background.
type rare struct {
	packets node
	words   string
}

// rare are connections that a helper expects, and packets that have a mark
// before any rule gives them one.
func (d *differ) rare() []rare {
	var out []rare
	if d.fields[fieldState].used {
		icmp := uint64(protoICMP)
		if d.u.v6 {
			icmp = protoICMPv6
		}
		out = append(out, rare{d.less(d.test(is(fieldState, stateRelated), tracked), d.test(is(fieldProto, icmp), tracked)), "RELATED"})
	}
	if d.fields[fieldMark].used {
		out = append(out, rare{d.not(d.exactly(fieldMark, value{})), "that come with a mark"})
	}
	return out
}

// few is cubes, no more than so many.
func (d *differ) few(where, domain node, most int) ([]cube, bool) {
	bound := d.opts.MaxBoxes
	d.opts.MaxBoxes = min(bound, most)
	defer func() { d.opts.MaxBoxes = bound }()
	return d.cubes(where, domain)
}

// except tells a set as the box that holds all of it, without what else is in
// that box; "" if that is much. The box is of all protocols, or of those that
// are meant.
func (d *differ) except(where, domain node) string { return d.exceptTrue(where, domain, falseNode) }

// exceptTrue is except where it says nothing of other packets.
func (d *differ) exceptTrue(where, domain, others node) string {
	text := d.exceptOf(where, domain, others, false)
	if all := d.exceptOf(where, domain, others, true); all != "" && (text == "" || len(all) < len(text)) {
		return all
	}
	return text
}

func (d *differ) exceptOf(where, domain, others node, allProtocols bool) string {
	whole, left, ok := d.exceptCubes(where, domain, allProtocols)
	if !ok {
		return ""
	}
	if others != falseNode {
		claimed := d.cubeNode(&whole, fields, -1)
		for i := range left {
			claimed = d.less(claimed, d.cubeNode(&left[i], fields, -1))
		}
		if d.and(claimed, others) != falseNode {
			return ""
		}
	}
	box := d.box(&whole)
	text := box.Words()
	for i := range left {
		b := d.box(&left[i])
		but := b.brief()
		if strings.Contains(but, "!") || strings.Contains(but, "not ") || strings.Contains(but, "unless ") {
			return "" // nobody likes to read what is not left out
		}
		text += "  except " + but
	}
	return text
}

// exceptCubes returns the box that holds a set and what is left out of it.
func (d *differ) exceptCubes(where, domain node, allProtocols bool) (whole cube, left []cube, ok bool) {
	inside := d.and(where, domain)
	whole = d.hull(inside, domain, allProtocols)
	other := d.less(d.and(d.cubeNode(&whole, fields, -1), domain), inside)
	for _, f := range widenOrder {
		if d.less(d.and(d.cubeNode(&whole, f, -1), domain), inside) == other {
			whole.fields[f] = trueNode
		}
	}
	left, ok = d.leftOut(other, inside, &whole)
	return whole, left, ok
}

// hull is the smallest box that holds a set.
func (d *differ) hull(inside, domain node, allProtocols bool) cube {
	whole := cube{atoms: map[int]node{}}
	for f := range fields {
		whole.fields[f] = trueNode
		if len(d.fields[f].levels) == 0 || f == fieldProto && allProtocols {
			continue
		}
		if n := d.project(inside, f); n != d.project(domain, f) {
			whole.fields[f] = n
		}
	}
	asked := d.support(inside)
	for a, level := range d.atoms {
		if !asked[level] {
			continue // it may be either
		}
		v := d.variable(level)
		for _, v := range []node{v, d.not(v)} {
			if d.less(inside, v) == falseNode && d.less(domain, v) != falseNode {
				whole.atoms[a] = v
			}
		}
	}
	return whole
}

// leftOut covers with few boxes what is in a box and not meant. Each is told as
// far as it is in that box.
func (d *differ) leftOut(other, inside node, whole *cube) ([]cube, bool) {
	var list []cube
	for rest := other; rest != falseNode; {
		if len(list) == mostExcept {
			return nil, false
		}
		c := d.path(rest)
		d.widen(&c, inside, false)
		for f := range fields {
			if n := d.and(c.fields[f], whole.fields[f]); n == whole.fields[f] {
				c.fields[f] = trueNode
			} else {
				c.fields[f] = n
			}
		}
		rest = d.less(rest, d.cubeNode(&c, fields, -1))
		list = append(list, c)
	}
	// A protocol that one leaves out whole, the others need not name.
	for i := range list {
		c := &list[i]
		rest := d.and(other, d.cubeNode(c, fields, -1))
		for j := range list {
			if j != i {
				rest = d.less(rest, d.cubeNode(&list[j], fields, -1))
			}
		}
		if rest != falseNode && c.fields[fieldProto] != trueNode {
			c.fields[fieldProto] = d.and(c.fields[fieldProto], d.project(rest, fieldProto))
		}
	}
	return list, true
}

// brief is Words without what is of no account beside the set that it is left
// out of.
func (b *Box) brief() string {
	text := b.Words()
	if proto, ok := strings.CutSuffix(text, "  any → any"); ok {
		return proto
	}
	text = strings.TrimPrefix(strings.Replace(text, "  any → any  ", "  ", 1), "any  ")
	return strings.ReplaceAll(text, "  ", " ")
}
