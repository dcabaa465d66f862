package artifact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// ProvenanceMember is the name of the member that says which lines of the
// script made the rules and sets of the first build; those of further builds
// are named by MemberName.
//
// It is one line of JSON: "schema", "files" (names, those beside the script
// relative to it), "chains" (each "dump", "table", "chain", and "rules": for each rule in the order
// of the dump the number of its file, from 0, and the line, from 1, or [0,0]
// where that is not known), "sets" (each "name" and "at", the same pair) and, in
// the second form, "policies" (each "dump", "table", "chain" and "at").
// What has no line known is left out. Nothing depends on it but what people
// are shown.
const ProvenanceMember = "provenance.json"

// The schemas tell these forms from later ones; the first one has no policies.
const (
	provenanceSchema   = "fwc.provenance/v1"
	provenancePolicies = "fwc.provenance/v2"
)

// maxProvenance bounds the member, in bytes: a million rules have less.
const maxProvenance = 16 << 20

type provenance struct {
	Schema string            `json:"schema"`
	Files  []string          `json:"files"`
	Chains []provenanceChain `json:"chains"`
	Sets   []provenanceSet   `json:"sets"`
	// Policies are of the second form alone.
	Policies []provenancePolicy `json:"policies,omitempty"`
}

type provenanceChain struct {
	Dump  string   `json:"dump"`
	Table string   `json:"table"`
	Chain string   `json:"chain"`
	Rules [][2]int `json:"rules"`
}

type provenanceSet struct {
	Name string `json:"name"`
	At   [2]int `json:"at"`
}

type provenancePolicy struct {
	Dump  string `json:"dump"`
	Table string `json:"table"`
	Chain string `json:"chain"`
	At    [2]int `json:"at"`
}

// Provenance returns the member's content for a snapshot whose rules and sets
// have their Source, nil if none has.
func Provenance(s *ruleset.Snapshot) ([]byte, error) {
	p := provenance{Schema: provenanceSchema, Files: []string{}, Chains: []provenanceChain{}, Sets: []provenanceSet{}}
	numbers := map[string]int{}
	at := func(pos ruleset.Position) [2]int {
		if pos.File == "" || pos.Line < 1 {
			return [2]int{}
		}
		n, ok := numbers[pos.File]
		if !ok {
			n = len(p.Files)
			numbers[pos.File] = n
			p.Files = append(p.Files, pos.File)
		}
		return [2]int{n, pos.Line}
	}
	for _, t := range s.Tables {
		if t.Native {
			continue
		}
		for _, c := range t.Chains {
			row := provenanceChain{Dump: dumpOf(&t), Table: t.Name, Chain: c.Name}
			known := false
			for _, r := range c.Rules {
				place := at(r.Source)
				row.Rules = append(row.Rules, place)
				known = known || place[1] > 0
			}
			if known {
				p.Chains = append(p.Chains, row)
			}
			if place := at(c.PolicySource); place[1] > 0 {
				p.Schema = provenancePolicies
				p.Policies = append(p.Policies, provenancePolicy{row.Dump, row.Table, row.Chain, place})
			}
		}
	}
	for _, set := range s.Sets {
		if place := at(set.Source); place[1] > 0 {
			p.Sets = append(p.Sets, provenanceSet{set.Name, place})
		}
	}
	if len(p.Chains)+len(p.Sets)+len(p.Policies) == 0 {
		return nil, nil
	}
	data, err := p.encode()
	if err == nil && len(data) > maxProvenance {
		return nil, nil
	}
	return data, err
}

func (p *provenance) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func dumpOf(t *ruleset.Table) string {
	d := ruleset.Dump{Kind: t.Family.XTables(), Backend: t.Backend}
	return d.Name()
}

// Sources gives the rules and sets of a snapshot of a build, counted from 0,
// the places in the script that made them. An artifact without them, or with
// those of a later form, leaves the snapshot as it is.
func (a *Artifact) Sources(build int, s *ruleset.Snapshot) error {
	name := MemberName(build, ProvenanceMember)
	data, ok := a.Member(name)
	if !ok {
		return nil
	}
	p, err := parseProvenance(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if p != nil {
		p.apply(s)
	}
	return nil
}

// parseProvenance is strict: what does not come back as the same bytes is
// refused. It returns nil for another schema.
func parseProvenance(data []byte) (*provenance, error) {
	if len(data) > maxProvenance {
		return nil, fmt.Errorf("larger than %d MiB", maxProvenance>>20)
	}
	var p provenance
	if !slices.ContainsFunc([]string{provenanceSchema, provenancePolicies}, func(s string) bool { return bytes.HasPrefix(data, []byte(`{"schema":"`+s+`"`)) }) {
		return nil, nil
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, err
	}
	again, err := p.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("not in canonical form")
	}
	if (p.Schema == provenancePolicies) != (len(p.Policies) > 0) {
		return nil, fmt.Errorf("not in canonical form")
	}
	bad := func(at [2]int) bool {
		return at[0] < 0 || at[1] < 0 || at[1] == 0 && at[0] != 0 || at[1] > 0 && at[0] >= len(p.Files)
	}
	for _, c := range p.Chains {
		if slices.ContainsFunc(c.Rules, bad) {
			return nil, fmt.Errorf("chain %s: no such file", c.Chain)
		}
	}
	if slices.ContainsFunc(p.Sets, func(s provenanceSet) bool { return bad(s.At) }) {
		return nil, fmt.Errorf("a set has no such file")
	}
	if slices.ContainsFunc(p.Policies, func(s provenancePolicy) bool { return bad(s.At) }) {
		return nil, fmt.Errorf("a policy has no such file")
	}
	return &p, nil
}

// apply sets the sources of what the snapshot has in the same number.
func (p *provenance) apply(s *ruleset.Snapshot) {
	place := func(at [2]int) ruleset.Position {
		if at[1] == 0 {
			return ruleset.Position{}
		}
		return ruleset.Position{File: p.Files[at[0]], Line: at[1]}
	}
	type key struct{ dump, table, chain string }
	chains := map[key][][2]int{}
	for _, c := range p.Chains {
		chains[key{c.Dump, c.Table, c.Chain}] = c.Rules
	}
	policies := map[key][2]int{}
	for _, c := range p.Policies {
		policies[key{c.Dump, c.Table, c.Chain}] = c.At
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Native {
			continue
		}
		for j := range t.Chains {
			c := &t.Chains[j]
			at := key{dumpOf(t), t.Name, c.Name}
			if c.Policy != "" {
				c.PolicySource = place(policies[at])
			}
			rules := chains[at]
			if len(rules) != len(c.Rules) {
				continue
			}
			for k := range c.Rules {
				c.Rules[k].Source = place(rules[k])
			}
		}
	}
	sets := map[string][2]int{}
	for _, set := range p.Sets {
		sets[set.Name] = set.At
	}
	for i := range s.Sets {
		if at, ok := sets[s.Sets[i].Name]; ok {
			s.Sets[i].Source = place(at)
		}
	}
}
