package ipset_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// Words that ipset restore would take for more than a name, an element or a
// comment are refused.
func TestHostileWords(t *testing.T) {
	const set = "create s hash:ip comment\n"
	for text, want := range map[string]string{
		"create -f hash:ip":                                     "-f is no option",
		"create \"-file\" hash:ip":                              "-file is no option",
		"create --f hash:ip":                                    "--f is no option",
		"create -x hash:ip":                                     "begins with a dash",
		"create -exist hash:ip":                                 "wrong number",
		"create \"a b\" hash:ip":                                "two words",
		"create \"a\rb\" hash:ip":                               "holds",
		"create \"a\x1bb\" hash:ip":                             "holds",
		"create a\x7f hash:ip":                                  "holds",
		"create " + strings.Repeat("a", 32) + " hash:ip":        "31 bytes",
		set + "rename s -f":                                     "no option",
		set + "rename s -x":                                     "begins with a dash",
		set + "rename s \"a\rb\"":                               "holds",
		set + "add s 192.0.2.1 comment \"-f\"":                  "no option",
		set + "add s 192.0.2.1 comment \"--output\"":            "no option",
		set + "add s 192.0.2.1 comment \"a\rb\"":                "cannot be stored",
		"create i hash:net,iface\nadd i 192.0.2.0/24,\"a b\"":   "interface",
		"create i hash:net,iface\nadd i 192.0.2.0/24,\"a\x1b\"": "interface",
		"create l list:set\nadd l -f":                           "no option",
		"create l list:set\nadd l -x":                           "no set",
	} {
		_, err := ipset.Parse("f", []byte(text+"\n"))
		var se *ruleset.SyntaxError
		if !errors.As(err, &se) || !strings.Contains(se.Msg, want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// What Format writes of odd names and comments the program reads as it was.
func TestOddWords(t *testing.T) {
	sets, err := ipset.Parse("f", []byte("create a$b hash:ip comment\nadd a$b 192.0.2.1 comment \"x\ty  ; # $z\"\n"+
		"create #x hash:ip\ncreate all list:set\nadd all #x\nadd all a$b\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := ipset.Format(sets)
	var saved []byte
	if err := netns.Do(func() error {
		run(t, want, "ipset", "restore")
		saved = run(t, nil, "ipset", "save")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := canonical(t, "save", saved); string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
