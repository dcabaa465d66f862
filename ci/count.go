package ci

import (
	"fmt"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// subjects are the subjects in the order of a summary, with their plurals:
// what can open a firewall at a stroke comes first.
var subjects = []struct {
	subject ruleset.Subject
	one     string
	many    string
}{
	{ruleset.SubjectPolicy, "policy", "policies"},
	{ruleset.SubjectRule, "rule", "rules"},
	{ruleset.SubjectChain, "chain", "chains"},
	{ruleset.SubjectTable, "table", "tables"},
	{ruleset.SubjectHook, "hook", "hooks"},
	{ruleset.SubjectFlags, "table's flags", "tables' flags"},
	{ruleset.SubjectObject, "object", "objects"},
	{ruleset.SubjectElement, "element", "elements"},
	{ruleset.SubjectSet, "set", "sets"},
	{ruleset.SubjectMember, "set member", "set members"},
	{ruleset.SubjectSysctl, "sysctl", "sysctls"},
}

// Headline is the report in one line, without the sides' names: "1 policy
// changed; 3 rules added, 1 moved; 2 set members removed".
func (r *Report) Headline() string {
	var parts []string
	for _, s := range subjects {
		c := r.Summary[s.subject]
		if c.total() == 0 {
			continue
		}
		var words []string
		for _, k := range []struct {
			n    int
			verb string
		}{{c.Added, "added"}, {c.Removed, "removed"}, {c.Moved, "moved"}, {c.Changed, "changed"}} {
			switch {
			case k.n == 0:
			case len(words) > 0:
				words = append(words, fmt.Sprintf("%s %s", grouped(k.n), k.verb))
			case k.n == 1:
				words = append(words, fmt.Sprintf("1 %s %s", s.one, k.verb))
			default:
				words = append(words, fmt.Sprintf("%s %s %s", grouped(k.n), s.many, k.verb))
			}
		}
		parts = append(parts, strings.Join(words, ", "))
	}
	if r.Equal {
		parts = append(parts, "the same firewall")
	}
	if len(r.Artifact) > 0 {
		var fields []string
		seen := map[string]bool{}
		for _, f := range r.Artifact {
			name, _, _ := strings.Cut(f.Field, ".")
			if name = words[name]; !seen[name] {
				seen[name] = true
				fields = append(fields, name)
			}
		}
		parts = append(parts, "artifact: "+strings.Join(fields, ", "))
	}
	return strings.Join(parts, "; ")
}

// words says the fields of a Fact in a reader's words, without their rest.
var words = map[string]string{
	FieldEpoch: "epoch", FieldSerial: "serial", FieldNotAfter: "expiry", FieldLabel: "labels",
	FieldToolchain: "toolchain", "accept": "accepted versions", FieldWanted: "wanted sysctls",
	"script": "script", FieldModule: "modules", FieldSigner: "signers",
}

// grouped writes a number with its thousands apart: 10,000.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
