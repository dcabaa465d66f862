package ci_test

import (
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ruleset"
)

// snapshot makes a snapshot of the files of an archive that start with side/,
// named as ruleset.DumpOf has it. The grammar is a small part of the dumps':
// what a rule says is of no concern here.
func snapshot(t testing.TB, a *txtar.Archive, side string) *ruleset.Snapshot {
	t.Helper()
	var tables []ruleset.Table
	var sets []ruleset.Set
	var sysctls []ruleset.Sysctl
	var dumps []ruleset.Dump
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, side+"/")
		if !ok {
			continue
		}
		kind, backend, ok := ruleset.DumpOf(name)
		if !ok {
			t.Fatalf("%s is no dump's name", f.Name)
		}
		dumps = append(dumps, ruleset.Dump{Kind: kind, Backend: backend, Text: f.Data})
		var source ruleset.Position
		for n, text := range strings.Split(string(f.Data), "\n") {
			// "… # fw.sh:12" is where the script made it.
			text, at, _ := strings.Cut(text, "  # ")
			source = ruleset.Position{}
			if file, line, ok := strings.Cut(at, ":"); ok {
				source.File = file
				for _, c := range line {
					source.Line = source.Line*10 + int(c-'0')
				}
			}
			head, rest, _ := strings.Cut(text, " ")
			switch {
			case text == "" || text == "COMMIT":
			case kind == ruleset.SysctlSet:
				key, value, _ := strings.Cut(text, " = ")
				sysctls = append(sysctls, ruleset.Sysctl{Key: key, Value: value})
			case head == "create":
				name, rest, _ := strings.Cut(rest, " ")
				typ, options, _ := strings.Cut(rest, " ")
				sets = append(sets, ruleset.Set{Name: name, Type: typ, Options: options, Line: n + 1, Source: source})
			case head == "add":
				_, member, _ := strings.Cut(rest, " ")
				set := &sets[len(sets)-1]
				set.Members = append(set.Members, member)
			case head[0] == '*':
				tables = append(tables, ruleset.Table{Family: kind.Family(), Backend: backend, Name: head[1:]})
			case head[0] == ':':
				policy, _, _ := strings.Cut(rest, " ")
				table := &tables[len(tables)-1]
				table.Chains = append(table.Chains, ruleset.Chain{Name: head[1:], Policy: strings.Trim(policy, "-"), Line: n + 1})
			case head == "-A":
				name, spec, _ := strings.Cut(rest, " ")
				c := tables[len(tables)-1].Chain(name)
				c.Rules = append(c.Rules, ruleset.Rule{Text: spec, Raw: text, Line: n + 1, Source: source})
			default:
				t.Fatalf("%s:%d: %s", f.Name, n+1, text)
			}
		}
	}
	return ruleset.New(dumps, tables, sets, sysctls)
}
