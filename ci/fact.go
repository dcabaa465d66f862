package ci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// Fact is one difference between two artifacts beside the firewall.
type Fact struct {
	Field string `json:"field"`
	// Name says which label, module, signer, sysctl or build, where there may
	// be several.
	Name string             `json:"name,omitempty"`
	Kind ruleset.ChangeKind `json:"kind"`
	Old  string             `json:"old"`
	New  string             `json:"new"`
}

// The fields of a Fact. Those of a toolchain are "toolchain." and its JSON
// name: toolchain.kernel, toolchain.iptables, …; "toolchain" alone is a whole
// one that came or went.
const (
	FieldEpoch          = "epoch"
	FieldSerial         = "serial"
	FieldNotAfter       = "notAfter"
	FieldLabel          = "label"
	FieldToolchain      = "toolchain"
	FieldAcceptKernel   = "accept.kernel"
	FieldAcceptIPTables = "accept.iptables"
	FieldWanted         = "wanted"
	FieldScriptName     = "script.name"
	FieldScript         = "script.sha256"
	FieldModule         = "module"
	FieldSigner         = "signer"
)

type factList []Fact

// facts compares two artifacts; it returns an empty list where one side is
// none.
func facts(old, new Side) []Fact {
	list := factList{}
	if old.Digest == "" || new.Digest == "" {
		return list
	}
	number := func(n uint64) string { return fmt.Sprint(n) }
	list.text(FieldEpoch, "", number(old.Epoch), number(new.Epoch))
	list.text(FieldSerial, "", number(old.Serial), number(new.Serial))
	list.text(FieldNotAfter, "", old.NotAfter, new.NotAfter)
	list.values(FieldLabel, old.Labels, new.Labels)
	list.builds(old.Builds, new.Builds)
	list.text(FieldScriptName, "", old.ScriptName, new.ScriptName)
	list.text(FieldScript, "", old.ScriptSHA256, new.ScriptSHA256)
	list.names(FieldModule, old.Modules, new.Modules)
	list.names(FieldSigner, old.Signers, new.Signers)
	return list
}

// text adds a difference of two texts of which "" is absent.
func (l *factList) text(field, name, old, new string) {
	if old == new {
		return
	}
	kind := ruleset.Changed
	switch {
	case old == "":
		kind = ruleset.Added
	case new == "":
		kind = ruleset.Removed
	}
	*l = append(*l, Fact{Field: field, Name: valid(name), Kind: kind, Old: valid(old), New: valid(new)})
}

func (l *factList) values(field string, old, new map[string]string) {
	keys := maps.Clone(old)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, new)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		a, inOld := old[k]
		b, inNew := new[k]
		switch {
		case inOld && inNew:
			if a != b {
				*l = append(*l, Fact{field, valid(k), ruleset.Changed, valid(a), valid(b)})
			}
		case inOld:
			*l = append(*l, Fact{Field: field, Name: valid(k), Kind: ruleset.Removed, Old: valid(a)})
		default:
			*l = append(*l, Fact{Field: field, Name: valid(k), Kind: ruleset.Added, New: valid(b)})
		}
	}
}

func (l *factList) names(field string, old, new []string) {
	set := func(list []string) map[string]string {
		m := map[string]string{}
		for _, n := range list {
			m[n] = ""
		}
		return m
	}
	l.values(field, set(old), set(new))
}

// builds compares toolchains: builds that are on both sides say nothing, the
// others pair up in order.
func (l *factList) builds(old, new []Build) {
	several := len(old) > 1 || len(new) > 1
	old, new = slices.Clone(old), slices.Clone(new)
	old = slices.DeleteFunc(old, func(a Build) bool {
		i := slices.IndexFunc(new, func(b Build) bool { return sameBuild(a, b) })
		if i >= 0 {
			new = slices.Delete(new, i, i+1)
		}
		return i >= 0
	})
	for i := range max(len(old), len(new)) {
		switch {
		case i >= len(old):
			l.text(FieldToolchain, "", "", toolchain(new[i].Toolchain))
		case i >= len(new):
			l.text(FieldToolchain, "", toolchain(old[i].Toolchain), "")
		default:
			name := ""
			if several {
				name = toolchain(old[i].Toolchain)
			}
			l.build(name, old[i], new[i])
		}
	}
}

func sameBuild(a, b Build) bool {
	return a.Toolchain == b.Toolchain && a.AcceptKernel == b.AcceptKernel && a.AcceptIPTables == b.AcceptIPTables &&
		slices.Equal(a.Wanted, b.Wanted)
}

func (l *factList) build(name string, old, new Build) {
	a, b := versions(old.Toolchain), versions(new.Toolchain)
	for i := range a {
		l.text(FieldToolchain+"."+a[i][0], name, a[i][1], b[i][1])
	}
	l.text(FieldAcceptKernel, name, old.AcceptKernel, new.AcceptKernel)
	l.text(FieldAcceptIPTables, name, old.AcceptIPTables, new.AcceptIPTables)
	wanted := func(list []ruleset.Sysctl) map[string]string {
		m := map[string]string{}
		for _, s := range list {
			m[s.Key] = s.Value
		}
		return m
	}
	l.values(FieldWanted, wanted(old.Wanted), wanted(new.Wanted))
}

func versions(t ruleset.Toolchain) [][2]string {
	return [][2]string{
		{"kernel", t.Kernel}, {"arch", t.Arch}, {"iptables", t.IPTables}, {"backend", string(t.Backend)},
		{"ipset", t.IPSet}, {"arptables", t.ARPTables}, {"ebtables", t.EBTables}, {"nft", t.NFT},
	}
}

// toolchain is a toolchain in one line.
func toolchain(t ruleset.Toolchain) string {
	var parts []string
	for _, v := range versions(t) {
		if v[1] != "" {
			parts = append(parts, v[0]+" "+v[1])
		}
	}
	return strings.Join(parts, ", ")
}
