package compiler

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModesSame has scripts of which the recorded and the exact build must
// tell the same, down to the line of each rule.
func TestModesSame(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		sees   string // what the script says
	}{
		"closed descriptors": {"exec 0<&- 1>&-\niptables -A INPUT -p tcp -j ACCEPT\niptables -D INPUT 1\niptables -A INPUT -j DROP\n", ""},
		"the same in bash":   {"#!/bin/bash\nexec 0<&- 1>&-\niptables -A INPUT -p tcp -j ACCEPT\niptables -D INPUT 1\niptables -A INPUT -j DROP\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": tt.script})}
			recorded := runAs(t, nil, j)
			j.Exact = true
			exact := runAs(t, nil, j)
			recorded.Mode, exact.Mode = "", ""
			if diff := cmp.Diff(exact, recorded); diff != "" || exact.Err != "" {
				t.Errorf("%s (-exact +recorded):\n%s", exact.Err, diff)
			}
			if exact.Stdout != tt.sees {
				t.Errorf("the script says %q, want %q", exact.Stdout, tt.sees)
			}
		})
	}
}
