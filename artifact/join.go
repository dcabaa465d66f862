package artifact

import (
	"bytes"
	"fmt"
	"strings"
)

// Join returns the manifest and members of one artifact that holds the builds
// of all of them, in order, for Encode. They must be of one script, with the
// same labels, epoch and expiry; the serial and the time of creation are the
// highest of theirs, the modules all of them. A toolchain that is there twice is an
// error.
//
// What one build alone has besides its dumps, such as provenance.json, goes
// along under the build's number.
func Join(artifacts ...*Artifact) (*Manifest, []Member, error) {
	if len(artifacts) == 0 {
		return nil, nil, fmt.Errorf("no artifact to join")
	}
	out := *artifacts[0].Manifest
	out.Builds, out.Modules = nil, nil
	var members []Member
	for i, a := range artifacts {
		m := a.Manifest
		if err := joinable(&out, m); err != nil {
			return nil, nil, fmt.Errorf("artifact %d: %w", i+1, err)
		}
		if m.Created.After(out.Created) {
			out.Created = m.Created
		}
		out.Serial = max(out.Serial, m.Serial)
		out.Modules = append(out.Modules, m.Modules...)
		for n, b := range m.Builds {
			for _, other := range out.Builds {
				if other.Toolchain == b.Toolchain {
					return nil, nil, fmt.Errorf("artifact %d: another was built by the same toolchain: kernel %s, iptables %s %s",
						i+1, b.Toolchain.Kernel, b.Toolchain.IPTables, b.Toolchain.Backend)
				}
			}
			to := len(out.Builds)
			moved, mem := a.moveBuild(n, to)
			out.Builds, members = append(out.Builds, moved), append(members, mem...)
		}
		if data, ok := a.Member(ScriptMember); ok && !hasMember(members, ScriptMember) {
			members = append(members, Member{ScriptMember, data})
		}
	}
	return &out, members, nil
}

func joinable(a, b *Manifest) error {
	switch {
	case a.Script != b.Script:
		return fmt.Errorf("it is of another script: %s, not %s", b.Script.Name, a.Script.Name)
	case a.Epoch != b.Epoch:
		return fmt.Errorf("its epoch is %d, not %d", b.Epoch, a.Epoch)
	case !a.NotAfter.Equal(b.NotAfter):
		return fmt.Errorf("it expires at another time")
	case a.Against != b.Against:
		return fmt.Errorf("it was compared with another artifact")
	}
	x, _ := marshal(a.Labels)
	y, _ := marshal(b.Labels)
	if !bytes.Equal(x, y) {
		return fmt.Errorf("its labels are %s, not %s", y, x)
	}
	return nil
}

// moveBuild returns a build and its members under another number.
func (a *Artifact) moveBuild(from, to int) (Build, []Member) {
	b := a.Manifest.Builds[from]
	b.Dumps = append([]Dump{}, b.Dumps...)
	var members []Member
	for i := range b.Dumps {
		data, _ := a.Member(b.Dumps[i].Member)
		b.Dumps[i].Member = MemberName(to, strings.TrimPrefix(b.Dumps[i].Member, MemberName(from, "")))
		members = append(members, Member{b.Dumps[i].Member, data})
	}
	for _, m := range a.members {
		if n, name := buildOf(m.Name); n == from && name != ScriptMember && !isDumpName(name) {
			members = append(members, Member{MemberName(to, name), m.Data})
		}
	}
	return b, members
}

func hasMember(members []Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
	}
	return false
}
