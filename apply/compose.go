package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

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
	// like has the order of the native tables, as far as it has them.
	like *ruleset.Snapshot
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
	type piece struct {
		key tableKey
		raw json.RawMessage
	}
	var pieces []piece
	done := map[*ruleset.Snapshot]bool{}
	for i := range p.tables {
		s := p.source[keyOf(&p.tables[i])]
		if !p.tables[i].Native || done[s] {
			continue
		}
		done[s] = true
		err := eachNative(s, func(k tableKey, _, _ string, raw json.RawMessage) {
			if p.source[k] == s {
				pieces = append(pieces, piece{k, raw})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if len(pieces) == 0 {
		return nil, nil
	}
	if len(done) > 1 && p.like != nil {
		order, err := nativeOrder(p.like)
		if err != nil {
			return nil, err
		}
		rank := func(k tableKey) int {
			if i := slices.Index(order, k); i >= 0 {
				return i
			}
			return len(order)
		}
		slices.SortStableFunc(pieces, func(a, b piece) int { return rank(a.key) - rank(b.key) })
	}
	all := make([]json.RawMessage, len(pieces))
	for i := range pieces {
		all[i] = pieces[i].raw
	}
	text, err := json.Marshal(map[string]any{"nftables": all})
	if err != nil {
		return nil, err
	}
	return nft.Canonical("nft.json", text)
}

// nativeObjects returns the JSON objects of those native tables of a snapshot
// that want names, in the order of its dump, which nft can load.
func nativeObjects(s *ruleset.Snapshot, want func(tableKey) bool) (out []json.RawMessage, err error) {
	err = eachNative(s, func(k tableKey, kind, name string, raw json.RawMessage) {
		if want(k) {
			out = append(out, raw)
		}
	})
	return out, err
}

// eachNative calls visit for the JSON objects of a snapshot's native tables, in
// the order of its dump.
func eachNative(s *ruleset.Snapshot, visit func(k tableKey, kind, name string, raw json.RawMessage)) error {
	d := s.Dump(ruleset.NFTables, ruleset.NFT)
	if d == nil {
		return nil
	}
	var doc struct {
		Nftables []json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(d.Text, &doc); err != nil {
		return fmt.Errorf("%s: %w", d.Name(), err)
	}
	for _, raw := range doc.Nftables {
		// Not a struct: its fields would match keys in other spellings too.
		var object map[string]map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			return fmt.Errorf("%s: %w", d.Name(), err)
		}
		for kind, o := range object {
			at := map[bool]string{true: "name", false: "table"}[kind == "table"]
			family, _ := o["family"].(string)
			table, _ := o[at].(string)
			name, _ := o["name"].(string)
			visit(tableKey{ruleset.NFT, ruleset.Family(family), table, true}, kind, name, raw)
		}
	}
	return nil
}
