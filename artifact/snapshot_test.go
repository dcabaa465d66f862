package artifact

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

func TestSnapshot(t *testing.T) {
	a, _, err := Inspect(testFile(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	filter := s.Table(ruleset.NFT, ruleset.IPv4, "filter")
	if filter == nil || len(filter.Chain("INPUT").Rules) != 1 {
		t.Fatalf("the table is %+v", filter)
	}
	if diff := cmp.Diff([]string{"192.0.2.1"}, s.Sets[0].Members); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ruleset.Sysctl{{Key: "net.ipv4.ip_forward", Value: "1"}}, s.Sysctls); diff != "" {
		t.Error(diff)
	}
	if _, err := a.Snapshot(1); err == nil {
		t.Error("a snapshot of a build that is not there")
	}
}

// TestRejectDump: a signed dump that cannot be read is an error with its line,
// and nothing of it is loaded.
func TestRejectDump(t *testing.T) {
	m, members := testContents()
	for i := range members {
		if members[i].Name == "iptables.rules" {
			members[i].Data = []byte("*filter\n:INPUT DROP [0:0]\nnonsense\nCOMMIT\n")
		}
	}
	data, err := Encode(m, members)
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Snapshot(0)
	var syntax *ruleset.SyntaxError
	if !errors.As(err, &syntax) || syntax.Line != 3 || syntax.File != "iptables.rules" || s != nil {
		t.Errorf("%v, %v", s, err)
	}
}
