package xtables_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// TestReplay executes calls, each a line of arguments, and restores, each
// "restore OPTIONS" with its input up to a line of a dot. The mark of a rule is
// the number of its line.
func TestReplay(t *testing.T) {
	const calls = `-t raw -A OUTPUT -j ACCEPT
-N user
-AINPUT -p tcp ! --dport 0:65535 -j ACCEPT
--app=INPUT -s 192.0.2.1,192.0.2.2 -j user
-vA INPUT -w 5 --wait-interval=9 -i lo -j ACCEPT
-I INPUT 2 -j RETURN -t filter
-t nat -A POSTROUTING -j MASQUERADE
-S
-L INPUT -nv --line-numbers
-C INPUT -j RETURN
--help
-D INPUT 1
-P FORWARD DROP
restore noflush
*filter
:user - [0:0]
:more - [0:0]
-A more -j DROP
-A FORWARD -j more
COMMIT
.
restore table=nat
*filter
-A FORWARD -j ACCEPT
COMMIT
*nat
-A POSTROUTING -j ACCEPT
COMMIT
.
-A user -m comment --comment a!b`
	want := map[string][]string{
		"raw OUTPUT ACCEPT":      {"1 -j ACCEPT"},
		"nat POSTROUTING ACCEPT": {"27 -j ACCEPT"},
		"filter INPUT ACCEPT":    {"6 -j RETURN", "4 -s 192.0.2.1/32 -j user", "4 -s 192.0.2.2/32 -j user", "5 -i lo -j ACCEPT"},
		"filter FORWARD DROP":    {"19 -j more"},
		"filter more ":           {"18 -j DROP"},
		"filter user ":           {`30 -m comment --comment "a!b"`},
	}
	p := xtables.NewReplay(ruleset.IPTables, ruleset.NFT)
	lines := strings.Split(calls, "\n")
	for i := 0; i < len(lines); i++ {
		mark := i + 1
		options, ok := strings.CutPrefix(lines[i], "restore ")
		if !ok {
			if _, err := p.Call(strings.Fields(lines[i]), mark); err != nil {
				t.Errorf("%s: %v", lines[i], err)
			}
			continue
		}
		o := xtables.RestoreOptions{NoFlush: options == "noflush", Mark: func(line int) int { return mark + line }}
		o.Table, _ = strings.CutPrefix(options, "table=")
		if o.NoFlush {
			o.Table = ""
		}
		var input []string
		for i++; lines[i] != "."; i++ {
			input = append(input, lines[i])
		}
		if err := p.Restore([]byte(strings.Join(input, "\n")), o); err != nil {
			t.Error(err)
		}
	}
	got := map[string][]string{}
	for _, table := range p.Tables() {
		for _, c := range table.Chains {
			for _, r := range c.Rules {
				got[table.Name+" "+c.Name+" "+c.Policy] = append(got[table.Name+" "+c.Name+" "+c.Policy], strconv.Itoa(r.Line)+" "+r.Text)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestReplayErrors holds what a call is known to do where it is not
// understood.
func TestReplayErrors(t *testing.T) {
	p := xtables.NewReplay(ruleset.IPTables, ruleset.NFT)
	e, err := p.Call(strings.Fields("-t mangle -A NONE -j ACCEPT"), 1)
	if err == nil || e.Table != "mangle" || e.Command != 'A' || !e.Changes() {
		t.Errorf("%+v, %v", e, err)
	}
	var noted []string
	err = p.Restore([]byte("*filter\n-A NONE -j ACCEPT\n-A INPUT -j ACCEPT\nCOMMIT\n"), xtables.RestoreOptions{
		Mark: func(int) int { return 0 },
		Note: func(line int, e xtables.Effect, err error) {
			noted = append(noted, strconv.Itoa(line)+" "+strings.Join(e.Rules, ";"))
		},
	})
	if err == nil {
		t.Error("no error")
	}
	if diff := cmp.Diff([]string{"2 ", "3 -j ACCEPT"}, noted); diff != "" {
		t.Error(diff)
	}
}
