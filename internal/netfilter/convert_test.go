package netfilter

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEBSave(t *testing.T) {
	got, err := ebSave([]byte(`Bridge table: filter

Bridge chain: INPUT, entries: 0, policy: ACCEPT

Bridge chain: FORWARD, entries: 2, policy: DROP
-p IPv4 --ip-dst 192.0.2.1 -j own 
-i eth0 -j ACCEPT 

Bridge chain: own, entries: 1, policy: RETURN
-j CONTINUE
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `*filter
:INPUT ACCEPT
:FORWARD DROP
:own RETURN
-A FORWARD -p IPv4 --ip-dst 192.0.2.1 -j own
-A FORWARD -i eth0 -j ACCEPT
-A own -j CONTINUE
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := ebSave([]byte("The kernel doesn't support the ebtables 'filter' table.\n")); err == nil {
		t.Error("no error for a listing that is none")
	}
	if diff := cmp.Diff([]string{"filter", "nat"},
		ebModulesIn("ebtable_nat 16384 1 - Live 0x0\nebtables 45056 2 ebtable_nat,ebtable_filter, Live\nebtable_filter 16384 0 - Live\n")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestARPSaveRefuses(t *testing.T) {
	for _, s := range []string{"Chain INPUT\n", "-j ACCEPT\n"} {
		if got, err := arpSave([]byte(s)); err == nil {
			t.Errorf("%q: got %q and no error", s, got)
		}
	}
}

func TestMissingTool(t *testing.T) {
	_, err := lookup("iptables-no-such-thing")
	var e *NoToolError
	if !errors.As(err, &e) || e.Tool != "iptables-no-such-thing" || e.Package() != "iptables" {
		t.Errorf("got %v", err)
	}
	for tool, want := range map[string]string{"nft": "nftables", "ipset": "ipset", "ebtables-nft-save": "iptables",
		"arptables-legacy": "arptables", "ebtables-legacy": "ebtables"} {
		if got := (&NoToolError{Tool: tool}).Package(); got != want {
			t.Errorf("%s is in %s, want %s", tool, got, want)
		}
	}
}

func TestTimeless(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":                         "192.0.2.1",
		"192.0.2.1 timeout 297":             "192.0.2.1 timeout",
		"192.0.2.1 timeout 0 comment \"x\"": "192.0.2.1 timeout 0 comment \"x\"",
		"192.0.2.1 timeout 5 comment \"x\"": "192.0.2.1 timeout comment \"x\"",
	} {
		if got := timeless(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
