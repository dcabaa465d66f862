package artifact

import (
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/google/go-cmp/cmp"
)

// made returns a snapshot of two rules and a set, with no sources.
func made(t testing.TB) *ruleset.Snapshot {
	t.Helper()
	s, err := dump.Snapshot([]ruleset.Dump{
		{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n")},
		{Kind: ruleset.IPSet, Text: []byte("create admins hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func places(s *ruleset.Snapshot) []string {
	var out []string
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			out = append(out, c.PolicySource.String()+" "+c.Name)
			for _, r := range c.Rules {
				out = append(out, r.Source.String()+" "+r.Text)
			}
		}
	}
	for _, set := range s.Sets {
		out = append(out, set.Source.String()+" "+set.Name)
	}
	return out
}

func TestProvenance(t *testing.T) {
	s := made(t)
	if data, err := Provenance(s); err != nil || data != nil {
		t.Fatalf("of unknown sources: %q, %v", data, err)
	}
	s.Tables[0].Chains[0].Rules[1].Source = ruleset.Position{File: "lib/a&b.sh", Line: 7}
	s.Sets[0].Source = ruleset.Position{File: "fw.sh", Line: 3}
	data, err := Provenance(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"fwc.provenance/v1","files":["lib/a&b.sh","fw.sh"],"chains":[{"dump":"iptables.rules","table":"filter","chain":"INPUT","rules":[[0,0],[0,7]]}],"sets":[{"name":"admins","at":[1,3]}]}` + "\n"
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	p, err := parseProvenance(data)
	if err != nil {
		t.Fatal(err)
	}
	again := made(t)
	p.apply(again)
	if diff := cmp.Diff(places(s), places(again)); diff != "" {
		t.Error(diff)
	}
	// A policy has a form of its own; older readers of it leave all lines out.
	s.Tables[0].Chains[1].PolicySource = ruleset.Position{File: "fw.sh", Line: 2}
	data, err = Provenance(s)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Replace(strings.Replace(want, "/v1", "/v2", 1), `"at":[1,3]}]}`, `"at":[1,3]}],"policies":[{"dump":"iptables.rules","table":"filter","chain":"FORWARD","at":[1,2]}]}`, 1)
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	if p, err = parseProvenance(data); err != nil {
		t.Fatal(err)
	}
	again = made(t)
	p.apply(again)
	if diff := cmp.Diff(places(s), places(again)); diff != "" {
		t.Error(diff)
	}
	// A chain of another length is another chain.
	p.Chains[0].Rules = p.Chains[0].Rules[:1]
	other := made(t)
	p.apply(other)
	if got := other.Tables[0].Chains[0].Rules[0].Source.String(); got != "" {
		t.Errorf("a rule of a chain that does not fit has the source %s", got)
	}
}

func TestProvenanceRejects(t *testing.T) {
	good := `{"schema":"fwc.provenance/v1","files":["f"],"chains":[{"dump":"iptables.rules","table":"t","chain":"c","rules":[[0,1]]}],"sets":[]}` + "\n"
	if _, err := parseProvenance([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"UnknownField": {`"sets":[]`, `"sets":[],"x":1`},
		"DuplicateKey": {`"sets":[]`, `"sets":[],"sets":[]`},
		"CaseVariant":  {`"sets"`, `"Sets"`},
		"Trailing":     {"}\n", "}\n{}"},
		"NoSuchFile":   {"[0,1]", "[1,1]"},
		"NegativeFile": {"[0,1]", "[-1,1]"},
		"NegativeLine": {"[0,1]", "[0,-1]"},
		"FileOfNoLine": {"[0,1]", "[1,0]"},
		"ShortPair":    {"[0,1]", "[0]"},
		"NoFinalNL":    {"}\n", "}"},
		"Null":         {`"sets":[]`, `"sets":null,"sets":[]`},
		"Policies":     {`"sets":[]`, `"sets":[],"policies":[{"dump":"iptables.rules","table":"t","chain":"c","at":[0,1]}]`},
		"NoPolicies":   {`/v1`, `/v2`},
		"SetOfNoFile":  {`"sets":[]`, `"sets":[{"name":"s","at":[4,4]}]`},
	} {
		if _, err := parseProvenance([]byte(strings.Replace(good, edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if p, err := parseProvenance([]byte(`{"schema":"fwc.provenance/v3","new":{}}`)); p != nil || err != nil {
		t.Errorf("a later schema: %v, %v", p, err)
	}
}

func FuzzProvenance(f *testing.F) {
	s := made(f)
	s.Tables[0].Chains[0].Rules[0].Source = ruleset.Position{File: "fw.sh", Line: 7}
	data, err := Provenance(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"schema":"fwc.provenance/v1","files":[],"chains":[],"sets":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProvenance(data)
		if err != nil || p == nil {
			return
		}
		s := made(t)
		p.apply(s)
		places(s)
	})
}
