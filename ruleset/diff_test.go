package ruleset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/fwc-dev/fwc/ruleset"
)

// filter returns a snapshot whose one chain, FORWARD, has the rules.
func filter(policy string, rules ...string) *Snapshot {
	c := Chain{Name: "FORWARD", Policy: policy, Line: 2}
	for i, r := range rules {
		c.Rules = append(c.Rules, Rule{Text: r, Line: i + 3, Source: Position{File: "fw.sh", Line: i + 10}})
	}
	return New(nil, []Table{{Family: IPv4, Backend: NFT, Name: "filter", Chains: []Chain{c}}}, nil, nil)
}

// brief is a Change without its place and source.
type brief struct {
	Subject            Subject
	Kind               ChangeKind
	Object, Old, New   string
	OldIndex, NewIndex int
}

func briefs(changes []Change) []brief {
	var out []brief
	for _, c := range changes {
		out = append(out, brief{c.Subject, c.Kind, c.Object, c.Old, c.New, c.OldIndex, c.NewIndex})
	}
	return out
}

func rule(kind ChangeKind, old, new string, i, j int) brief {
	return brief{SubjectRule, kind, "", old, new, i, j}
}

func TestDiffRules(t *testing.T) {
	const (
		a, b, c = "-s 10.0.0.1/32 -j A", "-p udp -j B", "-i eth0 -j C"
		d, e    = "-m mark --mark 0x1 -j D", "-o eth1 -g E"
	)
	for _, test := range []struct {
		name     string
		old, new []string
		want     []brief
	}{
		{"equal", []string{a, b}, []string{a, b}, nil},
		{"appended", []string{a}, []string{a, b}, []brief{rule(Added, "", b, 0, 2)}},
		{"inserted", []string{a}, []string{b, a}, []brief{rule(Added, "", b, 0, 1)}},
		{"removed", []string{a, b, c}, []string{a, c}, []brief{rule(Removed, b, "", 2, 0)}},
		{"all removed", []string{a, b}, nil, []brief{rule(Removed, a, "", 1, 0), rule(Removed, b, "", 2, 0)}},
		{"one up", []string{a, b, c, d}, []string{d, a, b, c}, []brief{rule(Moved, d, d, 4, 1)}},
		{"one down", []string{a, b, c, d}, []string{b, c, d, a}, []brief{rule(Moved, a, a, 1, 4)}},
		{"swapped ends", []string{a, b, c, d, e}, []string{e, b, c, d, a},
			[]brief{rule(Moved, e, e, 5, 1), rule(Moved, a, a, 1, 5)}},
		{"a duplicate added", []string{a, b, a}, []string{a, b, a, a}, []brief{rule(Added, "", a, 0, 4)}},
		{"a duplicate removed", []string{a, b, a, c}, []string{b, a, c}, []brief{rule(Removed, a, "", 1, 0)}},
		{"a duplicate moved", []string{a, b, a, c, d}, []string{a, b, c, d, a}, []brief{rule(Moved, a, a, 3, 5)}},
		{"replaced", []string{a, b, c}, []string{a, d, c},
			[]brief{rule(Removed, b, "", 2, 0), rule(Added, "", d, 0, 2)}},
		{"port edited", []string{a, "-p tcp -m tcp --dport 80 -j ACCEPT", c}, []string{a, "-p tcp -m tcp --dport 443 -j ACCEPT", c},
			[]brief{rule(Changed, "-p tcp -m tcp --dport 80 -j ACCEPT", "-p tcp -m tcp --dport 443 -j ACCEPT", 2, 2)}},
		{"match added", []string{"-p tcp -m tcp --dport 22 -j ACCEPT"}, []string{"-s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT"},
			[]brief{rule(Changed, "-p tcp -m tcp --dport 22 -j ACCEPT", "-s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT", 1, 1)}},
		{"verdict edited", []string{"-s 10.0.0.1/32 -j ACCEPT"}, []string{"-s 10.0.0.1/32 -j DROP"},
			[]brief{rule(Changed, "-s 10.0.0.1/32 -j ACCEPT", "-s 10.0.0.1/32 -j DROP", 1, 1)}},
		{"address and verdict", []string{"-s 10.0.0.1/32 -j ACCEPT"}, []string{"-s 10.0.0.2/32 -j DROP"},
			[]brief{rule(Removed, "-s 10.0.0.1/32 -j ACCEPT", "", 1, 0), rule(Added, "", "-s 10.0.0.2/32 -j DROP", 0, 1)}},
		{"negated", []string{"-s 10.0.0.1/32 -p tcp -j ACCEPT"}, []string{"! -s 10.0.0.1/32 -p tcp -j ACCEPT"},
			[]brief{rule(Changed, "-s 10.0.0.1/32 -p tcp -j ACCEPT", "! -s 10.0.0.1/32 -p tcp -j ACCEPT", 1, 1)}},
		{"an edit beside an addition and a removal",
			[]string{a, b, "-p tcp -m tcp --dport 80 -j ACCEPT"},
			[]string{a, "-p tcp -m tcp --dport 81 -j ACCEPT", d},
			[]brief{rule(Removed, b, "", 2, 0),
				rule(Changed, "-p tcp -m tcp --dport 80 -j ACCEPT", "-p tcp -m tcp --dport 81 -j ACCEPT", 3, 2),
				rule(Added, "", d, 0, 3)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := briefs(Diff(filter("ACCEPT", test.old...), filter("ACCEPT", test.new...)))
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestDiffPlaces(t *testing.T) {
	got := Diff(filter("ACCEPT", "-j A", "-j B"), filter("DROP", "-j B"))
	pos := func(n int) Position { return Position{File: "fw.sh", Line: n} }
	at := Change{Family: IPv4, Backend: NFT, Table: "filter", Chain: "FORWARD"}
	policy, gone := at, at
	policy.Subject, policy.Kind, policy.Old, policy.New = SubjectPolicy, Changed, "ACCEPT", "DROP"
	policy.Line, policy.OldLine = 2, 2
	gone.Subject, gone.Kind, gone.Old, gone.OldIndex = SubjectRule, Removed, "-j A", 1
	gone.Line, gone.OldLine, gone.Source, gone.OldSource = 3, 3, pos(10), pos(10)
	if d := cmp.Diff([]Change{policy, gone}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDiffTables(t *testing.T) {
	nat := []Table{{Family: IPv4, Backend: NFT, Name: "nat", Chains: []Chain{
		{Name: "POSTROUTING", Policy: "ACCEPT", Rules: []Rule{{Text: "-j MASQUERADE"}}},
		{Name: "mine"},
	}}}
	with := New(nil, nat, nil, nil)
	want := []brief{
		{SubjectTable, Added, "", "", "nat", 0, 0},
		{SubjectChain, Added, "", "", ":POSTROUTING ACCEPT", 0, 0},
		{SubjectRule, Added, "", "", "-j MASQUERADE", 0, 1},
		{SubjectChain, Added, "", "", ":mine -", 0, 0},
	}
	if d := cmp.Diff(want, briefs(Diff(nil, with))); d != "" {
		t.Errorf("added (-want +got)\n%s", d)
	}
	for i := range want {
		want[i].Kind = Removed
		want[i].Old, want[i].New = want[i].New, ""
		want[i].OldIndex, want[i].NewIndex = want[i].NewIndex, 0
	}
	if d := cmp.Diff(want, briefs(Diff(with, nil))); d != "" {
		t.Errorf("removed (-want +got)\n%s", d)
	}
	// The same rules on the other backend are another table.
	other := New(nil, []Table{nat[0]}, nil, nil)
	other.Tables[0].Backend = Legacy
	if got := Diff(with, other); len(got) != 8 {
		t.Errorf("%d changes between backends, want 8: %v", len(got), briefs(got))
	}
	if got := Diff(with, with); got != nil {
		t.Errorf("a snapshot differs from itself: %v", got)
	}
	if got := Diff(nil, nil); got != nil {
		t.Errorf("nothing differs from nothing: %v", got)
	}
}

func TestDiffNative(t *testing.T) {
	table := func(flags, hook, policy, decl string, elements ...string) *Snapshot {
		return New(nil, []Table{{Family: Inet, Backend: NFT, Name: "t", Native: true, Flags: flags,
			Chains:  []Chain{{Name: "in", Hook: hook, Policy: policy}},
			Objects: []Object{{Kind: "map", Name: "m", Text: decl, Elements: elements}}}}, nil, nil)
	}
	got := briefs(Diff(
		table("", "type filter hook input priority 0", "accept", "type inet_service : verdict", "22 : accept", "23 : accept", "80 : accept"),
		table("dormant", "type filter hook input priority 10", "drop", "type inet_service : verdict; flags interval", "22 : drop", "80 : accept", "81 : accept")))
	want := []brief{
		{SubjectFlags, Added, "", "", "dormant", 0, 0},
		{SubjectObject, Changed, "map m", "type inet_service : verdict", "type inet_service : verdict; flags interval", 0, 0},
		{SubjectElement, Changed, "map m", "22 : accept", "22 : drop", 0, 0},
		{SubjectElement, Removed, "map m", "23 : accept", "", 0, 0},
		{SubjectElement, Added, "map m", "", "81 : accept", 0, 0},
		{SubjectHook, Changed, "", "type filter hook input priority 0", "type filter hook input priority 10", 0, 0},
		{SubjectPolicy, Changed, "", "accept", "drop", 0, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDiffSets(t *testing.T) {
	old := New(nil, nil, []Set{
		{Name: "bad", Type: "hash:ip", Options: "family inet", Members: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{Name: "all", Type: "list:set", Options: "size 8", Members: []string{"a", "b", "c"}},
		{Name: "gone", Type: "hash:net", Members: []string{"10.0.0.0/8"}},
	}, []Sysctl{{"net.ipv4.ip_forward", "0"}, {"net.ipv4.tcp_syncookies", "1"}})
	new := New(nil, nil, []Set{
		{Name: "bad", Type: "hash:ip", Options: "family inet timeout 0", Members: []string{"192.0.2.1 timeout 9", "192.0.2.3", "192.0.2.4"}},
		{Name: "all", Type: "list:set", Options: "size 8", Members: []string{"c", "a", "b"}},
	}, []Sysctl{{"net.ipv4.ip_forward", "1"}, {"net.ipv6.conf.all.forwarding", "1"}})
	want := []brief{
		{SubjectSet, Changed, "bad", "hash:ip family inet", "hash:ip family inet timeout 0", 0, 0},
		{SubjectMember, Changed, "bad", "192.0.2.1", "192.0.2.1 timeout 9", 0, 0},
		{SubjectMember, Removed, "bad", "192.0.2.2", "", 0, 0},
		{SubjectMember, Added, "bad", "", "192.0.2.4", 0, 0},
		{SubjectMember, Moved, "all", "c", "c", 3, 1},
		{SubjectSet, Removed, "gone", "hash:net", "", 0, 0},
		{SubjectMember, Removed, "gone", "10.0.0.0/8", "", 0, 0},
		{SubjectSysctl, Changed, "net.ipv4.ip_forward", "0", "1", 0, 0},
		{SubjectSysctl, Added, "net.ipv6.conf.all.forwarding", "", "1", 0, 0},
		{SubjectSysctl, Removed, "net.ipv4.tcp_syncookies", "1", "", 0, 0},
	}
	if d := cmp.Diff(want, briefs(Diff(old, new))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
