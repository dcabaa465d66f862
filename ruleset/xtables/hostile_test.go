package xtables_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// The restore programs run what --modprobe names and read another table with
// -t, wherever the words stand. No canonical text may hold them as options,
// however they are spelt.
func TestNoProgramToRun(t *testing.T) {
	for _, rule := range []string{
		"-M /tmp/x -j ACCEPT", "-M/tmp/x -j ACCEPT", "--modprobe /tmp/x -j ACCEPT", "--modprobe=/tmp/x -j ACCEPT",
		"--modp /tmp/x -j ACCEPT", "--modp=/tmp/x -j ACCEPT", "-m zork --modprobe=/tmp/x -j ACCEPT", "-m zork --modp /tmp/x -j ACCEPT",
		"-m zork --mod /tmp/x -j ACCEPT", "-m zork -M /tmp/x -j ACCEPT", "-j ZORK --modprobe /tmp/x", "-j ZORK --modp=/tmp/x",
		"-j ZORK -vM /tmp/x", "-j ZORK -bM/tmp/x", "-j ZORK --m=/tmp/x", "-m zork --atomic-file x", "-j ZORK --atomic-f=x", "-m zork --zap -M -j ACCEPT", "-m zork --zap --modprobe=/tmp/x -j ACCEPT", "-t nat -j ACCEPT",
		"-m zork -t nat -j ACCEPT", "-m zork --table=nat -j ACCEPT", "-m zork --tab nat -j ACCEPT", "-j ZORK -wt nat",
	} {
		for _, kind := range []ruleset.Kind{ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables, ruleset.EBTables} {
			text := "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT " + rule + "\nCOMMIT\n"
			if kind == ruleset.ARPTables || kind == ruleset.EBTables {
				text = "*filter\n:INPUT ACCEPT\n-A INPUT " + rule + "\n"
			}
			tables, err := xtables.Parse(kind, ruleset.NFT, "f", []byte(text))
			if err != nil {
				continue
			}
			words, err := xtables.Words(string(xtables.Format(tables)))
			if err != nil {
				t.Error(err)
			}
			for _, w := range words {
				if strings.HasPrefix(w, "-M") || strings.HasPrefix(w, "--mod") || strings.HasPrefix(w, "-t") || strings.HasPrefix(w, "--ta") ||
					strings.HasPrefix(w, "-v") || strings.HasPrefix(w, "-b") || strings.HasPrefix(w, "--at") || strings.HasPrefix(w, "--m=") || strings.HasPrefix(w, "-w") {
					t.Errorf("%s: %s became %q", kind, rule, words)
				}
			}
		}
	}
}

// A chain's name is one word and no option.
func TestHostileChains(t *testing.T) {
	for _, line := range []string{":-x - [0:0]", ":!x - [0:0]", ":--modprobe=x - [0:0]", ":a\"b - [0:0]", ":a\x0bb - [0:0]", ":a\x00b - [0:0]",
		": - [0:0]", "-N -x", "-N \"a b\"", "-N \"a\rb\"", "-N !x", ":a - [0:0]\n-E a \"x y\"", ":a - [0:0]\n-E a -x"} {
		_, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte("*filter\n"+line+"\nCOMMIT\n"))
		var se *ruleset.SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%q: %v", line, err)
		}
	}
}
