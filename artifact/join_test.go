package artifact

import (
	"errors"
	"strings"
	"testing"
	"time"

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

// TestJoinStrictest: the earliest expiry counts, and what not all of them were
// compared with is not signed.
func TestJoinStrictest(t *testing.T) {
	same := strings.Repeat("1", 64)
	against := func(d string) func(*Manifest) { return func(m *Manifest) { m.Against = d } }
	early := func(m *Manifest) { m.NotAfter = m.NotAfter.Add(-1e9); m.Against = same }
	never := func(m *Manifest) { m.NotAfter = time.Time{} }
	plain, soon := built(t, "1", against(same)), built(t, "2", early)
	for _, c := range []struct {
		list    []*Artifact
		end     time.Time
		against string
	}{
		{[]*Artifact{plain, soon}, soon.Manifest.NotAfter, same},
		{[]*Artifact{soon, plain}, soon.Manifest.NotAfter, same},
		{[]*Artifact{built(t, "3", never), plain}, plain.Manifest.NotAfter, ""},
		{[]*Artifact{plain, built(t, "4", never)}, plain.Manifest.NotAfter, ""},
		{[]*Artifact{built(t, "3", never), built(t, "4", never)}, time.Time{}, ""},
	} {
		m := joined(t, c.list...).Manifest
		if !m.NotAfter.Equal(c.end) || m.Against != c.against {
			t.Errorf("%v, %q; want %v, %q", m.NotAfter, m.Against, c.end, c.against)
		}
	}
}

func TestJoinRejects(t *testing.T) {
	one := built(t, "5.10", nil)
	for words, other := range map[string]*Artifact{
		"another script":     built(t, "6.1", func(m *Manifest) { m.Script.Name = "x" }),
		"its epoch is 1":     built(t, "6.1", func(m *Manifest) { m.Epoch = 1 }),
		"its labels are":     built(t, "6.1", func(m *Manifest) { m.Labels = nil }),
		"another version of": otherVersion(one),
		"the same toolchain": built(t, "5.10", nil),
	} {
		var at *JoinError
		if _, _, err := Join(one, other); !errors.As(err, &at) || at.Index != 1 || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %s", err, words)
		}
	}
	if _, _, err := Join(); err == nil {
		t.Error("joined nothing")
	}
}

// otherVersion returns the artifact as if its script had other contents.
func otherVersion(a *Artifact) *Artifact {
	m, b := *a.Manifest, *a
	m.Script.SHA256 = strings.Repeat("0", 64)
	b.Manifest = &m
	return &b
}
