package compiler

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLargePieces has calls whose rules are larger in the kernel's messages
// than one transaction in a user namespace takes: the recorder makes smaller
// ones of them, and loses none.
func TestLargePieces(t *testing.T) {
	note := strings.Repeat("x", 250)
	var fw strings.Builder
	fw.WriteString("iptables -N A\n")
	var want []string
	for i := range 600 {
		rule := fmt.Sprintf("-A A -s 10.0.%d.%d/32", i>>8, i&255)
		for range 4 {
			rule += " -m comment --comment " + note
		}
		fmt.Fprintf(&fw, "iptables %s -j RETURN\n", rule)
		want = append(want, rule+" -j RETURN")
	}
	dir := project(t, map[string]string{"fw.sh": fw.String()})
	o := runAs(t, nil, job{Script: "fw.sh", Dir: dir, Timeout: time.Minute})
	if o.Err != "" || o.Mode != "recorded" {
		t.Fatalf("%s, mode %q", o.Err, o.Mode)
	}
	var got []string
	for line := range strings.Lines(o.Dumps["iptables.rules"]) {
		if strings.HasPrefix(line, "-A") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPiecesOfTables adds to two tables in turn: what one transaction takes
// does not shrink to a line.
func TestPiecesOfTables(t *testing.T) {
	r := &restorer{size: 1000}
	for i := range 1000 {
		for _, table := range []string{"filter", "nat"} {
			if err := r.add(table, fmt.Sprintf("-A INPUT -s 10.0.%d.%d -j DROP", i>>8, i&255)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(r.open) != 2 || len(r.sent) != 0 || len(r.open[0].lines) != 1000 || r.open[1].lines[999] != "-A INPUT -s 10.0.3.231 -j DROP" {
		t.Errorf("%d pieces open, %d sent", len(r.open), len(r.sent))
	}
}

// TestGlance has calls that the shell takes for ones that add and that are not
// of the kind a restore knows: they are made for real in their place, or the
// script runs again in exact mode, and the end is the same.
func TestGlance(t *testing.T) {
	for name, tt := range map[string]struct{ script, mode string }{
		"made for real": {"iptables -A INPUT -4 -j ACCEPT\niptables -A INPUT -j DROP\n", "recorded"},
		"says something": {"iptables -A INPUT -v -j ACCEPT\niptables -A INPUT -j DROP\n",
			`exact: the queued calls do not load as one: iptables ends with status 0 and says "ACCEPT  all opt -- in * out *  0.0.0.0/0  -> 0.0.0.0/0  "`},
		"fails, which is looked at": {"iptables -A INPUT -4 -j NONE 2>/dev/null || iptables -A INPUT -j ACCEPT\niptables -A INPUT -j DROP\n",
			`exact: the queued calls do not load as one: iptables ends with status 2 and says "iptables v1.8.9 (nf_tables): Chain 'NONE' does not exist"`},
		"the same in bash":    {"#!/bin/bash\niptables -A INPUT -4 -j ACCEPT\niptables -A INPUT -j DROP\n", "recorded"},
		"the same in a child": {"sh -c 'iptables -A INPUT -4 -j ACCEPT'\niptables -A INPUT -j DROP\n", "recorded"},
		"a separator in an argument": {"iptables -A INPUT -m comment --comment \"$(printf 'a\\037b')\" -j ACCEPT\niptables -D INPUT 1\niptables -A INPUT -j ACCEPT\niptables -A INPUT -j DROP\n",
			"exact: the queued calls do not load as one: the queue of calls is spoilt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runAs(t, nil, job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": tt.script}), Timeout: time.Minute})
			if o.Err != "" || o.Mode != tt.mode {
				t.Errorf("%s, mode %q, want %q", o.Err, o.Mode, tt.mode)
			}
			const rules = "-A INPUT -j ACCEPT\n-A INPUT -j DROP\n"
			if !strings.Contains(o.Dumps["iptables.rules"], rules) {
				t.Errorf("got %s", o.Dumps["iptables.rules"])
			}
		})
	}
}
