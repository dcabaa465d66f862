package artifact

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// built returns an artifact of one build on that kernel, with a provenance.
func built(t *testing.T, kernel string, change func(*Manifest)) *Artifact {
	t.Helper()
	m, members := testContents()
	m.Builds[0].Toolchain.Kernel = kernel
	m.Modules = []string{"m_" + kernel}
	if change != nil {
		change(m)
	}
	members = append(members, Member{"provenance.json", []byte(kernel)})
	data, err := Encode(m, members, testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func joined(t *testing.T, list ...*Artifact) *Artifact {
	t.Helper()
	m, members, err := Join(list...)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Encode(m, members, testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(data, []PublicKey{testKey(t, 1).Public()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestJoin(t *testing.T) {
	one := built(t, "5.10", nil)
	two := built(t, "6.1", func(m *Manifest) { m.Serial++; m.Created = m.Created.Add(1e9) })
	three := built(t, "6.12", nil)
	pair := joined(t, one, two)
	for name, a := range map[string]*Artifact{"at once": joined(t, one, two, three), "in steps": joined(t, pair, three)} {
		var kernels, names []string
		for i, b := range a.Manifest.Builds {
			kernels = append(kernels, b.Toolchain.Kernel)
			if data, _ := a.Member(MemberName(i, "provenance.json")); string(data) != b.Toolchain.Kernel {
				t.Errorf("%s: build %d has the provenance %q", name, i, data)
			}
			dumps, err := a.Dumps(i)
			if err != nil || len(dumps) != 3 || dumps[0].Kind != ruleset.IPSet {
				t.Errorf("%s: build %d: %v, %v", name, i, dumps, err)
			}
		}
		for _, m := range a.Members() {
			names = append(names, m.Name)
		}
		if diff := cmp.Diff([]string{"5.10", "6.1", "6.12"}, kernels); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		want := "2.ipset.save 2.iptables.rules 2.provenance.json 2.sysctl.conf " +
			"3.ipset.save 3.iptables.rules 3.provenance.json 3.sysctl.conf " +
			"ipset.save iptables.rules provenance.json script sysctl.conf"
		if diff := cmp.Diff(want, strings.Join(names, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if a.Manifest.Serial != two.Manifest.Serial || !a.Manifest.Created.Equal(two.Manifest.Created) || len(a.Manifest.Modules) != 3 {
			t.Errorf("%s: %+v", name, a.Manifest)
		}
	}
}

func TestJoinRejects(t *testing.T) {
	one := built(t, "5.10", nil)
	for words, other := range map[string]*Artifact{
		"another script":     built(t, "6.1", func(m *Manifest) { m.Script.Name = "x" }),
		"its epoch is 1":     built(t, "6.1", func(m *Manifest) { m.Epoch = 1 }),
		"its labels are":     built(t, "6.1", func(m *Manifest) { m.Labels = nil }),
		"expires at another": built(t, "6.1", func(m *Manifest) { m.NotAfter = m.NotAfter.Add(1e9) }),
		"compared with":      built(t, "6.1", func(m *Manifest) { m.Against = strings.Repeat("0", 64) }),
		"the same toolchain": built(t, "5.10", nil),
	} {
		if _, _, err := Join(one, other); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %s", err, words)
		}
	}
	if _, _, err := Join(); err == nil {
		t.Error("joined nothing")
	}
}
