package compiler

import (
	"strings"
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
		"closed descriptors":                     {"exec 0<&- 1>&-\niptables -A INPUT -p tcp -j ACCEPT\niptables -D INPUT 1\niptables -A INPUT -j DROP\n", ""},
		"the same in bash":                       {"#!/bin/bash\nexec 0<&- 1>&-\niptables -A INPUT -p tcp -j ACCEPT\niptables -D INPUT 1\niptables -A INPUT -j DROP\n", ""},
		"a variable that is the shell's command": {"IPT='exec iptables'\n($IPT -A INPUT -j ACCEPT)\nIPT=/sbin/iptables\n$IPT -A INPUT -j DROP\n", ""},
		"a tool without its shim": {"iptables -N a\nfor t in /.fwc/real/*/iptables-nft; do\n\t$t -S | wc -l\n\t$t -I INPUT -p udp -j ACCEPT\n\tbreak\ndone\n" +
			"iptables -I INPUT 2 -j DROP\n", "4\n"},
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

// TestGivesUp has scripts that do what the recorder cannot follow.
func TestGivesUp(t *testing.T) {
	for name, tt := range map[string]struct{ script, why string }{
		"the lock is taken": {"[ ! -p /.fwc/token ] || read -r x </.fwc/token\niptables -A INPUT -j ACCEPT\niptables -S >/dev/null\n", "the lock of the queue is lost"},
		"the pipe is away for a while": {"mv /.fwc/calls /.fwc/old 2>/dev/null\niptables -A INPUT -j ACCEPT\n[ ! -p /.fwc/old ] || mv -f /.fwc/old /.fwc/calls\n",
			"the script changes /.fwc"},
		"a wrapper for a while": {">/usr/local/sbin/iptables; rm /usr/local/sbin/iptables\niptables -A INPUT -j ACCEPT\n", "the script changes /usr/local/sbin"},
		"the host's names":      {"echo 192.0.2.1 db >>/etc/hosts\niptables -A INPUT -j ACCEPT\n", "the script changes /etc/hosts"},
		"no capability":         {"setpriv --bounding-set -net_admin iptables -A INPUT -j DROP 2>/dev/null || iptables -A INPUT -j ACCEPT\n", "the script takes capabilities from what it runs"},
		"the lock of the legacy tools": {"iptables-legacy -A INPUT -j DROP\nfor t in /.fwc/real/*/iptables-legacy; do\n\t$t -S >/dev/null\n\tbreak\ndone\niptables-nft -A INPUT -j DROP\n",
			"a program keeps the queue from loading"},
		"little memory": {"iptables -A INPUT -j ACCEPT\nulimit -S -v 3000\niptables -A INPUT -j DROP 2>/dev/null\n:\n", "the script sets limits that a call may not meet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runAs(t, nil, job{Script: "fw.sh", Dir: project(t, map[string]string{"fw.sh": tt.script})})
			if o.Err != "" || o.Mode != "exact: "+tt.why {
				t.Errorf("%s, mode %q, want %q", o.Err, o.Mode, "exact: "+tt.why)
			}
			if rules := strings.Count(o.Dumps["iptables.rules"], "-A INPUT"); rules != 1 {
				t.Errorf("%d rules, want 1: %s", rules, o.Dumps["iptables.rules"])
			}
		})
	}
}
