package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// CoverageSchema is Coverage.Schema.
const CoverageSchema = "fwc.coverage/v1"

// Coverage says how many packets each rule of a firewall met, and how many its
// policies. As JSON it is a coverage profile. Chains without rules whose policy
// lets everything pass are not in it.
type Coverage struct {
	Schema string          `json:"schema"`
	Digest string          `json:"digest"` // of the snapshot
	Rules  int             `json:"rules"`  // those that are counted
	Met    int             `json:"met"`
	Chains []ChainCoverage `json:"chains"`
}

// ChainCoverage is one chain's.
type ChainCoverage struct {
	Backend ruleset.Backend `json:"backend"`
	Family  ruleset.Family  `json:"family"`
	Table   string          `json:"table"`
	Native  bool            `json:"native,omitempty"`
	Chain   string          `json:"chain"`
	// Counted is false where the kernel does not tell: arptables and ebtables
	// of the legacy backend, nft's own tables of families beside ip, ip6 and
	// inet, and all of nft's own where packets met more than there was room for.
	Counted bool           `json:"counted"`
	Rules   []RuleCoverage `json:"rules"`
	// Policy is "" of a user chain. PolicyPackets are those that it met, nil
	// where the kernel does not tell.
	Policy        string  `json:"policy,omitempty"`
	PolicyPackets *uint64 `json:"policyPackets,omitempty"`
}

// routed says whether packets of a family are traced.
func routed(f ruleset.Family) bool {
	return f == ruleset.IPv4 || f == ruleset.IPv6 || f == ruleset.Inet
}

// drops says whether a policy does.
func drops(policy string) bool { return strings.EqualFold(policy, "drop") }

// untested says whether the chain ends in a policy that drops and met no packet.
func (c *ChainCoverage) untested() bool {
	return drops(c.Policy) && c.PolicyPackets != nil && *c.PolicyPackets == 0
}

// RuleCoverage is one rule's, in the order of the chain.
type RuleCoverage struct {
	Text    string `json:"text"`
	Source  string `json:"source,omitempty"` // the script's line, FILE:LINE
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Packets uint64 `json:"packets"`
}

// NewCoverage returns the coverage of a snapshot that no packet has met.
func NewCoverage(s *ruleset.Snapshot) *Coverage {
	c := &Coverage{Schema: CoverageSchema, Digest: s.Digest(), Chains: []ChainCoverage{}}
	for _, t := range s.Tables {
		for _, ch := range t.Chains {
			if len(ch.Rules) == 0 && !drops(ch.Policy) {
				continue
			}
			cc := ChainCoverage{Backend: t.Backend, Family: t.Family, Table: t.Name, Native: t.Native, Chain: ch.Name,
				Counted: routed(t.Family) || t.Backend == ruleset.NFT && !t.Native, Policy: ch.Policy, Rules: []RuleCoverage{}}
			if ch.Policy != "" && routed(t.Family) {
				cc.PolicyPackets = new(uint64)
			}
			for _, r := range ch.Rules {
				cc.Rules = append(cc.Rules, RuleCoverage{Text: r.Text, Source: r.Source.String(), File: r.Source.File, Line: r.Source.Line})
			}
			c.Chains = append(c.Chains, cc)
		}
	}
	c.sum()
	return c
}

func (c *Coverage) sum() {
	c.Rules, c.Met = 0, 0
	for i := range c.Chains {
		if ch := &c.Chains[i]; ch.Counted {
			c.Rules += len(ch.Rules)
			c.Met += ch.met()
		}
	}
}

// met returns how many of the chain's rules packets met.
func (c *ChainCoverage) met() (n int) {
	for i := range c.Rules {
		if c.Rules[i].Packets > 0 {
			n++
		}
	}
	return n
}

// ErrOtherFirewall says that a coverage is not of the firewall at hand.
var ErrOtherFirewall = errors.New("the coverage is of another firewall")

// Add adds another coverage of the same firewall. The error is ErrOtherFirewall
// if it is of another.
func (c *Coverage) Add(o *Coverage) error {
	if c.Digest != o.Digest || len(c.Chains) != len(o.Chains) {
		return ErrOtherFirewall
	}
	for i := range c.Chains {
		if len(c.Chains[i].Rules) != len(o.Chains[i].Rules) {
			return ErrOtherFirewall
		}
	}
	for i := range c.Chains {
		for j := range c.Chains[i].Rules {
			c.Chains[i].Rules[j].Packets += o.Chains[i].Rules[j].Packets
		}
		ch, och := &c.Chains[i], &o.Chains[i]
		ch.Counted = ch.Counted && och.Counted
		if ch.PolicyPackets == nil || och.PolicyPackets == nil {
			ch.PolicyPackets = nil
		} else {
			*ch.PolicyPackets += *och.PolicyPackets
		}
	}
	c.sum()
	return nil
}

// Percent returns how many of the counted rules packets met, in percent; 100 if
// there are none.
func (c *Coverage) Percent() float64 { return percent(c.Met, c.Rules) }

func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}

// MaxProfile is how many bytes a profile may have.
const MaxProfile = 64 << 20

// ReadCoverage reads a coverage profile and takes it for that of a snapshot:
// texts and lines are the snapshot's, the counts the profile's. The error wraps
// ErrOtherFirewall if it is of another.
func ReadCoverage(r io.Reader, s *ruleset.Snapshot) (*Coverage, error) {
	var read Coverage
	dec := json.NewDecoder(io.LimitReader(r, MaxProfile))
	if err := dec.Decode(&read); err != nil {
		return nil, fmt.Errorf("not a coverage profile: %w", err)
	}
	if read.Schema != CoverageSchema {
		return nil, fmt.Errorf("not a coverage profile: its schema is %q, not %q", read.Schema, CoverageSchema)
	}
	c := NewCoverage(s)
	if err := c.Add(&read); err != nil {
		return nil, err
	}
	return c, nil
}

// WriteJSON writes the coverage profile.
func (c *Coverage) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(c)
}
