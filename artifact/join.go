package artifact

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/fwc-dev/fwc/ruleset"
)

// JoinError says which artifact cannot be joined with which one before it,
// counted from 0.
type JoinError struct {
	Index, With int
	Msg         string // about the artifact of that index
}

// Error returns the places of both, from 1, and what is in the way.
func (e *JoinError) Error() string {
	return fmt.Sprintf("artifact %d does not go with artifact %d: %s", e.Index+1, e.With+1, e.Msg)
}

// Join returns the manifest and members of one artifact that holds the builds
// of all of them, in order, for Encode. They must be of one script, with the
// same labels and epoch; the serial and the time of creation are the highest of
// theirs, the expiry is the earliest, the modules are all of them. What they
// were compared with stays if it is the same. A toolchain that is there twice
// is an error. Errors are of type *JoinError.
//
// What one build alone has besides its dumps, such as provenance.json, goes
// along under the build's number.
func Join(artifacts ...*Artifact) (*Manifest, []Member, error) {
	if len(artifacts) == 0 {
		return nil, nil, errors.New("no artifact to join")
	}
	out := *artifacts[0].Manifest
	out.Builds, out.Modules = nil, nil
	var members []Member
	from := map[ruleset.Toolchain]int{}
	for i, a := range artifacts {
		m := a.Manifest
		if msg := unjoinable(&out, m); msg != "" {
			return nil, nil, &JoinError{i, 0, msg}
		}
		if m.Created.After(out.Created) {
			out.Created = m.Created
		}
		if end := m.NotAfter; !end.IsZero() && (out.NotAfter.IsZero() || end.Before(out.NotAfter)) {
			out.NotAfter = end
		}
		if m.Against != out.Against {
			out.Against = ""
		}
		out.Serial = max(out.Serial, m.Serial)
		out.Modules = append(out.Modules, m.Modules...)
		for n, b := range m.Builds {
			if first, ok := from[b.Toolchain]; ok {
				return nil, nil, &JoinError{i, first, fmt.Sprintf("both were built by the same toolchain: kernel %s %s, iptables %s (%s)",
					b.Toolchain.Kernel, b.Toolchain.Arch, b.Toolchain.IPTables, b.Toolchain.Backend)}
			}
			from[b.Toolchain] = i
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

// unjoinable says why b cannot be joined with a, "" if it can.
func unjoinable(a, b *Manifest) string {
	switch {
	case a.Script.Name != b.Script.Name:
		return fmt.Sprintf("it is of another script: %s, not %s", b.Script.Name, a.Script.Name)
	case a.Script != b.Script:
		return fmt.Sprintf("it is of another version of %s: sha256 %.12s…, not %.12s…", b.Script.Name, b.Script.SHA256, a.Script.SHA256)
	case a.Epoch != b.Epoch:
		return fmt.Sprintf("its epoch is %d, not %d", b.Epoch, a.Epoch)
	case !maps.Equal(a.Labels, b.Labels):
		x, _ := marshal(a.Labels)
		y, _ := marshal(b.Labels)
		return fmt.Sprintf("its labels are %s, not %s", y, x)
	}
	return ""
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
