package nft

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// model returns the tables as the rest of fwc sees them.
func (doc *document) model() []ruleset.Table {
	out := make([]ruleset.Table, 0, len(doc.tables))
	for _, t := range doc.tables {
		m := ruleset.Table{Family: ruleset.Family(t.family), Backend: ruleset.NFT, Name: t.name, Native: true,
			Flags: flagWords(t.def["flags"])}
		for _, c := range t.chains {
			m.Chains = append(m.Chains, c.model())
		}
		for _, list := range [][]*thing{t.objects, t.sets, t.flowtables} {
			for _, o := range list {
				m.Objects = append(m.Objects, o.model())
			}
		}
		out = append(out, m)
	}
	return out
}

func (c *chain) model() ruleset.Chain {
	m := ruleset.Chain{Name: c.name, Hook: c.hookText(), Line: c.line}
	m.Policy, _ = c.def["policy"].(string)
	for _, r := range c.rules {
		m.Rules = append(m.Rules, ruleset.Rule{Text: r.text(), Raw: compact(object{"rule": r.def}), Line: r.line})
	}
	return m
}

// hookText returns "type filter hook input priority 0", with the devices
// behind the hook as nft writes them.
func (c *chain) hookText() string {
	if c.hook() == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "type %s hook %s", words(c.def["type"], " "), bare(c.hook()))
	switch dev := c.def["dev"].(type) {
	case nil:
	case string:
		fmt.Fprintf(&b, " device %s", quote(dev))
	default:
		fmt.Fprintf(&b, " devices = { %s }", words(dev, ", "))
	}
	fmt.Fprintf(&b, " priority %s", words(c.def["prio"], " "))
	return b.String()
}

// model returns a set, map, flowtable or stateful object.
func (o *thing) model() ruleset.Object {
	return ruleset.Object{Kind: o.kind, Name: o.name, Text: strings.Join(o.clauses(), "; "), Elements: o.elementTexts()}
}

// flagWords writes flags, which stand as a list or between commas.
func flagWords(v any) string {
	s, ok := v.(string)
	if !ok {
		return words(v, ",")
	}
	parts := strings.Split(s, ",")
	for i, p := range parts {
		parts[i] = bare(p)
	}
	return strings.Join(parts, ",")
}

// words writes a simple value, or a list of them, each as one token.
func words(v any, sep string) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return bare(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = words(e, sep)
		}
		return strings.Join(parts, sep)
	}
	return compact(v)
}
