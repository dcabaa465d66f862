package apply

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
	"github.com/fwc-dev/fwc/ruleset/nft"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// parts are what a snapshot is put together from.
type parts struct {
	tables  []ruleset.Table
	sets    []ruleset.Set
	sysctls []ruleset.Sysctl
	// source has the dump of each native table, whose text the model does not
	// hold whole.
	source map[tableKey]*ruleset.Snapshot
}

func newParts() *parts { return &parts{source: map[tableKey]*ruleset.Snapshot{}} }

// add takes over a table of a snapshot.
func (p *parts) add(t *ruleset.Table, from *ruleset.Snapshot) {
	p.tables = append(p.tables, *t)
	if t.Native {
		p.source[keyOf(t)] = from
	}
}

// snapshot puts the parts together, with the canonical dumps of the whole.
func (p *parts) snapshot() (*ruleset.Snapshot, error) {
	var dumps []ruleset.Dump
	s := ruleset.New(nil, p.tables, p.sets, p.sysctls) // sorts
	add := func(k ruleset.Kind, b ruleset.Backend, text []byte) {
		if len(text) > 0 {
			dumps = append(dumps, ruleset.Dump{Kind: k, Backend: b, Text: text})
		}
	}
	for _, kind := range ruleset.Kinds {
		for _, backend := range []ruleset.Backend{ruleset.NFT, ruleset.Legacy} {
			if tables := ofKind(s.Tables, kind, backend); len(tables) > 0 {
				add(kind, backend, xtables.Format(tables))
			}
		}
	}
	text, err := p.native()
	if err != nil {
		return nil, err
	}
	add(ruleset.NFTables, ruleset.NFT, text)
	add(ruleset.IPSet, "", ipset.Format(p.sets))
	var b bytes.Buffer
	for _, v := range s.Sysctls {
		fmt.Fprintf(&b, "%s = %s\n", v.Key, v.Value)
	}
	add(ruleset.SysctlSet, "", b.Bytes())
	return ruleset.New(dumps, s.Tables, s.Sets, s.Sysctls), nil
}

// ofKind returns the xtables tables of one kind and backend.
func ofKind(all []ruleset.Table, kind ruleset.Kind, backend ruleset.Backend) (out []ruleset.Table) {
	for _, t := range all {
		if !t.Native && t.Backend == backend && t.Family == kind.Family() {
			out = append(out, t)
		}
	}
	return out
}

// native joins the objects of the native tables from their dumps.
func (p *parts) native() ([]byte, error) {
	var all []json.RawMessage
	done := map[*ruleset.Snapshot]bool{}
	for i := range p.tables {
		s := p.source[keyOf(&p.tables[i])]
		if !p.tables[i].Native || done[s] {
			continue
		}
		done[s] = true
		objects, err := nativeObjects(s, func(k tableKey) bool { return p.source[k] == s })
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(map[string]any{"nftables": all})
	if err != nil {
		return nil, err
	}
	return nft.Canonical("nft.json", text)
}

// nativeObjects returns the JSON objects of those native tables of a snapshot
// that want names, in the order of its dump, which nft can load.
func nativeObjects(s *ruleset.Snapshot, want func(tableKey) bool) ([]json.RawMessage, error) {
	d := s.Dump(ruleset.NFTables, ruleset.NFT)
	if d == nil {
		return nil, nil
	}
	var doc struct {
		Nftables []json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(d.Text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	var out []json.RawMessage
	for _, raw := range doc.Nftables {
		// Not a struct: its fields would match keys in other spellings too.
		var object map[string]map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name(), err)
		}
		for kind, o := range object {
			at := map[bool]string{true: "name", false: "table"}[kind == "table"]
			family, _ := o["family"].(string)
			table, _ := o[at].(string)
			if want(tableKey{ruleset.NFT, ruleset.Family(family), table, true}) {
				out = append(out, raw)
			}
		}
	}
	return out, nil
}
