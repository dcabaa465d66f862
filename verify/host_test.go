package verify

import "testing"

// TestConstraint: who is told of constraints is someone whom they can help.
func TestConstraint(t *testing.T) {
	kernel := Mismatch{"kernel", "6.1.0", "6.12.0"}
	ebtables := Mismatch{"ebtables", "1.8.9", "1.8.11"}
	ipset := Mismatch{"ipset", "7.17", "7.22"}
	build := func(list ...Mismatch) BuildMismatch { return BuildMismatch{Mismatches: list} }
	for _, c := range []struct {
		name string
		err  HostError
		want bool
	}{
		{"Versions", HostError{Builds: []BuildMismatch{build(kernel, ebtables)}}, true},
		{"Sets", HostError{Builds: []BuildMismatch{build(kernel, ipset)}}, false},
		{"One of two builds", HostError{Builds: []BuildMismatch{build(kernel, ipset), build(kernel)}}, true},
		{"Backend", HostError{Builds: []BuildMismatch{build(Mismatch{"iptables backend", "legacy", "nft"})}}, false},
		{"No ebtables", HostError{Builds: []BuildMismatch{build(Mismatch{"ebtables", "1.8.9", ""})}}, false},
		{"Label too", HostError{Labels: []Mismatch{{"label role", "db", ""}}, Builds: []BuildMismatch{build(kernel)}}, false},
	} {
		if got := c.err.Constraint(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
