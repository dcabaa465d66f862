package nft

import (
	"encoding/json"
	"slices"
	"strings"
)

// hooks are the netfilter hooks in a packet's order.
var hooks = []string{"ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}

// order brings the document into canonical order.
func (doc *document) order() {
	if !doc.tied() {
		slices.SortStableFunc(doc.tables, func(a, b *table) int {
			if c := slices.Index(families, a.family) - slices.Index(families, b.family); c != 0 {
				return c
			}
			return strings.Compare(a.name, b.name)
		})
	}
	for _, t := range doc.tables {
		slices.SortStableFunc(t.chains, compareChains)
		for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
			slices.SortStableFunc(list, func(a, b *thing) int {
				if c := strings.Compare(a.kind, b.kind); c != 0 {
					return c
				}
				return strings.Compare(a.name, b.name)
			})
		}
		for _, s := range t.sets {
			sortElements(s.elems)
		}
	}
}

// tied says whether base chains of different tables hang on one hook at one
// priority, so that the order of tables decides which runs first.
func (doc *document) tied() bool {
	type place struct{ family, hook, dev, prio string }
	at := map[place]*table{}
	for _, t := range doc.tables {
		for _, c := range t.chains {
			if c.hook() == "" {
				continue
			}
			on := []string{t.family}
			if t.family == "inet" {
				on = []string{"ip", "ip6"}
			}
			for _, f := range on {
				p := place{f, c.hook(), compact(c.def["dev"]), compact(c.def["prio"])}
				if old := at[p]; old != nil && old != t {
					return true
				}
				at[p] = t
			}
		}
	}
	return false
}

func (c *chain) hook() string {
	h, _ := c.def["hook"].(string)
	return h
}

func (c *chain) prio() json.Number {
	p, _ := c.def["prio"].(json.Number)
	return p
}

func compareChains(a, b *chain) int {
	ha, hb := a.hook(), b.hook()
	switch {
	case ha == "" && hb == "":
		return strings.Compare(a.name, b.name)
	case ha == "":
		return 1
	case hb == "":
		return -1
	}
	if c := slices.Index(hooks, ha) - slices.Index(hooks, hb); c != 0 {
		return c
	}
	return compareNumbers(a.prio(), b.prio())
}
