package ci_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
)

func artifactSide(kernels ...string) ci.Side {
	s := ci.Side{Name: "a", Digest: "d", Serial: 1}
	for _, k := range kernels {
		s.Builds = append(s.Builds, ci.Build{Toolchain: ruleset.Toolchain{Kernel: k, Backend: ruleset.NFT}})
	}
	return s
}

func TestArtifactFacts(t *testing.T) {
	fact := func(field, name string, kind ruleset.ChangeKind, old, new string) ci.Fact {
		return ci.Fact{Field: field, Name: name, Kind: kind, Old: old, New: new}
	}
	serial, signer, wanted := artifactSide("6.1"), artifactSide("6.1"), artifactSide("6.1")
	serial.Serial = 2
	signer.Signers = []string{"k"}
	wanted.Builds[0].Wanted = []ruleset.Sysctl{{Key: "net.netfilter.nf_conntrack_max", Value: "9"}}
	for _, test := range []struct {
		name     string
		old, new ci.Side
		want     []ci.Fact
		differs  bool
	}{
		{"the same", artifactSide("6.1"), artifactSide("6.1"), []ci.Fact{}, false},
		{"a dump has none", ci.Side{Serial: 4}, artifactSide("6.1"), []ci.Fact{}, false},
		{"serial", artifactSide("6.1"), serial, []ci.Fact{fact("serial", "", ruleset.Changed, "1", "2")}, false},
		{"signer", artifactSide("6.1"), signer, []ci.Fact{fact("signer", "k", ruleset.Added, "", "")}, false},
		{"kernel", artifactSide("6.1"), artifactSide("6.2"), []ci.Fact{fact("toolchain.kernel", "", ruleset.Changed, "6.1", "6.2")}, true},
		{"a build more", artifactSide("6.1"), artifactSide("6.0", "6.1"),
			[]ci.Fact{fact("toolchain", "", ruleset.Added, "", "kernel 6.0, backend nft")}, true},
		{"one of several", artifactSide("6.1", "6.2"), artifactSide("6.2", "6.3"),
			[]ci.Fact{fact("toolchain.kernel", "kernel 6.1, backend nft", ruleset.Changed, "6.1", "6.3")}, true},
		{"wanted", artifactSide("6.1"), wanted, []ci.Fact{fact("wanted", "net.netfilter.nf_conntrack_max", ruleset.Added, "", "9")}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ci.New(test.old, test.new)
			if d := cmp.Diff(test.want, r.Artifact); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if !r.Equal || r.Differs() != test.differs {
				t.Errorf("equal %v, differs %v", r.Equal, r.Differs())
			}
		})
	}
}

// TestNative shows native tables in full, and colour.
func TestNative(t *testing.T) {
	table := func(flags, policy string, rules ...string) ci.Side {
		c := ruleset.Chain{Name: "in", Hook: "type filter hook input priority 0", Policy: policy}
		for _, r := range rules {
			c.Rules = append(c.Rules, ruleset.Rule{Text: r})
		}
		return ci.Side{Name: "nft", Snapshot: ruleset.New(nil, []ruleset.Table{{Family: ruleset.Inet, Backend: ruleset.NFT, Name: "own", Native: true, Flags: flags,
			Chains: []ruleset.Chain{c}, Objects: []ruleset.Object{{Kind: "set", Name: "s" + flags, Text: "type ipv4_addr", Elements: []string{"192.0.2.1"}}}}}, nil, nil)}
	}
	var out bytes.Buffer
	r := ci.New(table("", "accept", `ip saddr @s drop`, `tcp dport 22 accept`), table("dormant", "drop", `ip saddr @s drop`, `tcp dport 2222 accept`))
	if err := r.Text(&out, ci.TextOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"{1}nft{0} → {1}nft{0}: 1 policy changed; 1 rule changed; 1 table's flags added; 1 object added, 1 removed; 1 element added, 1 removed\n\n" +
		"{1}inet own{0}  {2}nft{0}  +3 -2 ~2\n" +
		"    {32}+ flags dormant{0}\n" +
		"  {1}set sdormant{0}\n" +
		"    {32}+ declared type ipv4_addr{0}\n" +
		"    {32}+ 192.0.2.1{0}\n" +
		"  {1}set s{0}\n" +
		"    {31}- declared type ipv4_addr{0}\n" +
		"    {31}- 192.0.2.1{0}\n" +
		"  {1}chain in (policy drop, 2 rules){0}\n" +
		"    {33}~ policy accept → drop{0}\n" +
		"    {2}  1 1  ip saddr @s drop{0}\n" +
		"    {33}~ 2    tcp dport {0}{33;1}22 {0}{33}accept{0}\n" +
		"    {33}~   2  tcp dport {0}{33;1}2222 {0}{33}accept{0}\n" +
		"\n1 policy changed; 1 rule changed; 1 table's flags added; 1 object added, 1 removed; 1 element added, 1 removed\n"
	want = strings.NewReplacer("{", "\x1b[", "}", "m").Replace(want)
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := ci.New(ci.Side{Name: "nothing"}, chain(12, "10.0")).Text(&out, ci.TextOptions{Run: 3}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "--comment"); got != 3 || !strings.Contains(out.String(), "+ … and 9 more\n") {
		t.Errorf("%d rules shown of three:\n%s", got, out.String())
	}
}

func TestOrderOnly(t *testing.T) {
	side := func(text string) ci.Side {
		return ci.Side{Snapshot: ruleset.New([]ruleset.Dump{{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: []byte(text)}}, nil, nil, nil)}
	}
	if r := ci.New(side("a"), side("b")); !r.Equal || len(r.Notes) != 1 {
		t.Errorf("equal %v, notes %q", r.Equal, r.Notes)
	}
	if r := ci.New(ci.Side{}, ci.Side{}); !r.Equal || r.Differs() || len(r.Notes) != 0 {
		t.Errorf("nothing differs from nothing: %+v", r)
	}
}
