package xtables_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/xtables"
)

// TestRefused holds that what is not a dump is refused with its line.
func TestRefused(t *testing.T) {
	filter := func(lines string) string {
		return "*filter\n:INPUT ACCEPT [0:0]\n:user - [0:0]\n" + lines + "\nCOMMIT\n"
	}
	tests := []struct {
		name, text, want string
	}{
		{"rule before table", "-A INPUT -j DROP\n", `f:1: outside of a table: "-A INPUT -j DROP"`},
		{"junk", "hello\n", `f:1: outside of a table: "hello"`},
		{"COMMIT before table", "COMMIT\n", `f:1: outside of a table: "COMMIT"`},
		{"unknown table", "*foo\nCOMMIT\n", `f:1: table name "foo" invalid`},
		{"no COMMIT", "*filter\n-A INPUT -j DROP\n", "f:3: COMMIT expected"},
		{"table in table", "*filter\n*nat\nCOMMIT\n", "f:2: COMMIT expected before *nat"},
		{"COMMIT with a space", "*filter\nCOMMIT \n", `f:2: bad argument "COMMIT"`},
		{"chain twice", filter(":user - [0:0]"), "f:4: chain user declared twice, first in line 3"},
		{"chain without policy", filter(":x"), "f:4: chain line needs a name and a policy"},
		{"chain like a target", filter(":DROP - [0:0]"), "f:4: chain name DROP clashes with target name"},
		{"policy of a user's chain", filter(":x DROP [0:0]"), "f:4: cannot set policy DROP on x: not a base chain"},
		{"unknown policy", filter(":OUTPUT REJECT [0:0]"), "f:4: cannot set policy REJECT on OUTPUT"},
		{"no such chain", filter("-A nope -j DROP"), `f:4: no chain "nope" in table filter`},
		{"no such target", filter("-A INPUT -j nope"), `f:4: no chain or target "nope" in table filter`},
		{"chain declared too late", filter("-A INPUT -j late\n:late - [0:0]"), `f:4: no chain or target "late" in table filter`},
		{"jump to base chain", filter("-A user -j INPUT"), "f:4: cannot jump to base chain INPUT"},
		{"unknown letter", filter("-A INPUT -q -j DROP"), "f:4: unknown option -q"},
		{"unknown option", filter("-A INPUT --nope 1 -j DROP"), "f:4: unknown option --nope"},
		{"option of a match that is not there", filter("-A INPUT --dport 22 -j DROP"), "f:4: unknown option --dport"},
		{"ambiguous option", filter("-A INPUT --s 1.2.3.4"), "f:4: option --s is ambiguous"},
		{"bare word", filter("-A INPUT foo"), `f:4: bad argument "foo"`},
		{"open quote", filter(`-A INPUT -m comment --comment "foo`), "f:4: unbalanced quote"},
		{"backslash at the end", filter(`-A INPUT -m comment --comment "foo\`), "f:4: unbalanced quote"},
		{"NUL", filter("-A INPUT -j DROP\x00"), "f:4: NUL byte"},
		{"no argument", filter("-A INPUT -j"), "f:4: option -j requires an argument"},
		{"two jumps", filter("-A INPUT -j DROP -j ACCEPT"), "f:4: multiple -j flags not allowed"},
		{"two commands", filter("-A INPUT -D INPUT"), "f:4: cannot use -D with -A"},
		{"no command", filter("-j DROP"), "f:4: no command specified"},
		{"table option", filter("-A INPUT -t nat"), "f:4: the -t option cannot be used in a restore"},
		{"help", filter("-h"), "f:4: -h ends a restore"},
		{"bad counters", filter("[1-2] -A INPUT"), `f:4: bad counters "[1-2] -A INPUT"`},
		{"bad address", filter("-A INPUT -s 1.2.3.256"), `f:4: host/network "1.2.3.256" not found`},
		{"bad mask", filter("-A INPUT -s 1.2.3.4/33"), `f:4: invalid mask "33"`},
		{"negated addresses", filter("-A INPUT ! -s 1.1.1.1,2.2.2.2"), "f:4: ! not allowed with multiple source or destination IP addresses"},
		{"output interface of input", filter("-A INPUT -o eth0"), "f:4: cannot use -o with INPUT"},
		{"long interface", filter("-A user -i abcdefghijklmnop"), "f:4: -i abcdefghijklmnop: interface name must be shorter than 16 characters"},
		{"attached interface", filter("-A user -ieth0"), "f:4: option --in-interface needs its argument as a word of its own"},
		{"unknown protocol", filter("-A user -p nope"), `f:4: -p nope: unknown protocol "nope"`},
		{"never", filter("-A user ! -p all"), "f:4: -p all: rule would never match protocol"},
		{"tcp without protocol", filter("-A user -m tcp --dport 22"), "f:4: tcp: needs -p tcp"},
		{"unknown service", filter("-A user -p tcp --dport nope"), `f:4: tcp: --dport nope: invalid port/service "nope" specified`},
		{"backward range", filter("-A user -p tcp --dport 9:1"), "f:4: tcp: --dport 9:1: invalid portrange (min > max)"},
		{"option twice", filter("-A user -p tcp --dport 1 --dport 2"), "f:4: tcp: option --dport can only be used once"},
		{"not to be negated", filter("-A user -m limit ! --limit 1/s"), "f:4: limit: option --limit cannot be negated"},
		{"mandatory option", filter("-A user -m state"), "f:4: state: option --state must be specified"},
		{"exclusive options", filter("-A user -p tcp -m recent --set --rcheck"), "f:4: recent: needs one of --set, --rcheck, --update, --remove"},
		{"options of DROP", filter("-A user -j DROP --foo"), "f:4: unknown option --foo"},
		{"options of a chain", filter("-A INPUT -j user --foo"), "f:4: unknown option --foo"},
		{"delete what is not there", filter("-D INPUT -j DROP"), "f:4: no such rule in chain INPUT"},
		{"delete a number", filter("-D INPUT 1"), "f:4: no rule 1 in chain INPUT"},
		{"insert too far", filter("-I INPUT 3 -j DROP"), "f:4: no rule 3 in chain INPUT"},
		{"delete a chain in use", filter("-A INPUT -j user\n-X user"), "f:5: cannot delete chain user: a rule goes to it"},
		{"drop in nat", "*nat\n-A OUTPUT -j DROP\nCOMMIT\n", "f:2: the nat table is not intended for filtering, the use of DROP is therefore inhibited"},
		{"dangling negation", filter("-A INPUT !"), "f:4: no option follows the ! at the end"},
		{"double negation", filter("-A INPUT ! ! -p tcp"), "f:4: multiple consecutive ! not allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tables, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte(test.text))
			if err == nil {
				t.Fatalf("accepted:\n%s", xtables.Format(tables))
			}
			var syntax *ruleset.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%T is no *ruleset.SyntaxError", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if tables != nil {
				t.Error("tables beside an error")
			}
		})
	}
}

// TestTolerated holds that dumps which were carried over or edited are read.
func TestTolerated(t *testing.T) {
	const want = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n"
	for name, text := range map[string]string{
		"CR LF":             "*filter\r\n:INPUT DROP [0:0]\r\n-A INPUT -p tcp --dport 22 -j ACCEPT\r\nCOMMIT\r\n",
		"no last newline":   "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT",
		"comments, blanks":  "# a\n\n*filter\n\n# b\n:INPUT DROP [0:0]\n  \t\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n# c\n",
		"counters":          "*filter\n:INPUT DROP [12:345]\n[6:789] -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
		"policy without":    "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
		"options elsewhere": "*filter\n-P INPUT DROP\n-p tcp --dport 22 -A INPUT -j ACCEPT\nCOMMIT\n",
		"table twice":       "*filter\n:INPUT DROP [0:0]\n-A OUTPUT -j DROP\nCOMMIT\n*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
	} {
		t.Run(name, func(t *testing.T) {
			tables, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(xtables.Format(tables))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOpaque holds that extensions nobody here knows are kept whole.
func TestOpaque(t *testing.T) {
	const text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" +
		"-A INPUT -m geoip ! --source-country CN,RU --level -5 -p tcp -j DROP\n" +
		"-A INPUT -m condition --condition \"a b\" -j ACCEPT\n" +
		"-A INPUT -j TARPIT\n" +
		"-A INPUT -m foo -j WEIRD --one 1 2 --two\n" +
		"COMMIT\n"
	tables, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "-p tcp -m geoip ! --source-country CN,RU --level -5 -j DROP"
	rules := tables[0].Chains[0].Rules
	if diff := cmp.Diff(want, rules[0].Text); diff != "" {
		t.Error(diff)
	}
	spec, err := xtables.ParseRule(ruleset.IPTables, rules[3].Text)
	if err != nil {
		t.Fatal(err)
	}
	wantSpec := xtables.Spec{
		Kind:    ruleset.IPTables,
		Matches: []xtables.Module{{Name: "foo", Opaque: true}},
		Target: xtables.Module{Name: "WEIRD", Opaque: true, Options: []xtables.Option{
			{Name: "--one", Values: []string{"1", "2"}}, {Name: "--two"},
		}},
	}
	if diff := cmp.Diff(wantSpec, spec); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(rules[3].Text, spec.String()); diff != "" {
		t.Error(diff)
	}
}

// TestExpansion holds that a line cannot multiply without bound.
func TestExpansion(t *testing.T) {
	list := strings.Repeat("1.1.1.1,", 2000) + "1.1.1.1"
	text := "*filter\n-A INPUT -s " + list + " -d " + list + "\nCOMMIT\n"
	_, err := xtables.Parse(ruleset.IPTables, ruleset.NFT, "f", []byte(text))
	if err == nil || err.Error() != "f:2: more than 1048576 rules from lists of addresses" {
		t.Errorf("got %v", err)
	}
}
