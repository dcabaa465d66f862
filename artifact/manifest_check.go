package artifact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
)

// check holds a manifest to what Encode writes.
func (m *Manifest) check() error {
	if m.Format != Format {
		return errorf(ErrVersion, "%d, this fwc reads %d", m.Format, Format)
	}
	if m.Epoch > maxNumber || m.Serial > maxNumber {
		return errorf(ErrPayload, "epoch or serial is above %d", uint64(maxNumber))
	}
	if err := checkTimes(m.Created, m.NotAfter); err != nil {
		return err
	}
	if m.Labels == nil || m.Modules == nil {
		return errorf(ErrPayload, "%v", errNotCanonical)
	}
	if err := checkLabels(m.Labels); err != nil {
		return err
	}
	if err := checkText("script name", m.Script.Name, 255); err != nil {
		return err
	}
	if !isDigest(m.Script.SHA256) {
		return errorf(ErrPayload, "the script's sha256 is %q", m.Script.SHA256)
	}
	if m.Against != "" && !isDigest(m.Against) {
		return errorf(ErrPayload, "the digest it was compared with is %q", m.Against)
	}
	if err := checkModules(m.Modules); err != nil {
		return err
	}
	if len(m.Builds) == 0 || len(m.Builds) > MaxBuilds {
		return errorf(ErrPayload, "%d builds, not 1 to %d", len(m.Builds), MaxBuilds)
	}
	for i := range m.Builds {
		if err := m.Builds[i].check(i); err != nil {
			return wrap(ErrPayload, fmt.Sprintf("build %d", i+1), err)
		}
	}
	return nil
}

func checkTimes(created, notAfter time.Time) error {
	for _, t := range []time.Time{created, notAfter} {
		if t.Nanosecond() != 0 || t.Location() != time.UTC {
			return errorf(ErrPayload, "time %s is not in whole seconds of UTC", t.Format(time.RFC3339Nano))
		}
	}
	if created.Unix() < 0 {
		return errorf(ErrPayload, "created before 1970")
	}
	if !notAfter.IsZero() && !notAfter.After(created) {
		return errorf(ErrPayload, "not valid after %s, but created %s",
			notAfter.Format(time.RFC3339), created.Format(time.RFC3339))
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > 64 {
		return errorf(ErrPayload, "more than 64 labels")
	}
	for k, v := range labels {
		if err := CheckLabel(k, v); err != nil {
			return err
		}
	}
	return nil
}

// CheckLabel returns an error if a label cannot be signed: a key is 1 to 63 of
// the characters A-Z a-z 0-9 . _ / -, a value up to 255 bytes of printable text.
func CheckLabel(key, value string) error {
	if key == "" || len(key) > 63 || !isMadeOf(key, wordChars+"/") {
		return errorf(ErrPayload, "label %q is not 1 to 63 of A-Z a-z 0-9 . _ / -", key)
	}
	return checkText("label "+key, value, 255)
}

const wordChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

func checkModules(modules []string) error {
	if len(modules) > 1024 {
		return errorf(ErrPayload, "more than 1024 modules")
	}
	for i, m := range modules {
		if m == "" || len(m) > 64 || !isMadeOf(m, wordChars) || m[0] == '-' {
			return errorf(ErrPayload, "module name %q is not allowed", m)
		}
		if i > 0 && modules[i-1] >= m {
			return errorf(ErrPayload, "module %s is out of order", m)
		}
	}
	return nil
}

func (b *Build) check(n int) error {
	tc := b.Toolchain
	for _, s := range []string{
		tc.Kernel, tc.Arch, tc.IPTables, string(tc.Backend), tc.IPSet, tc.ARPTables, tc.EBTables, tc.NFT,
		b.Accept.Kernel, b.Accept.IPTables,
	} {
		if err := checkText("a version", s, 255); err != nil {
			return err
		}
	}
	if tc.Kernel == "" || tc.Arch == "" {
		return errorf(ErrPayload, "it names no kernel or architecture")
	}
	if !slices.Contains([]ruleset.Backend{"", ruleset.NFT, ruleset.Legacy}, tc.Backend) {
		return errorf(ErrPayload, "backend %q is unknown", tc.Backend)
	}
	if b.Dumps == nil || b.Wanted == nil {
		return errNotCanonical
	}
	for i, d := range b.Dumps {
		name := ruleset.Dump{Kind: d.Kind, Backend: d.Backend}.Name()
		kind, backend, ok := ruleset.DumpOf(name)
		if !ok || kind != d.Kind || backend != d.Backend || d.Member != MemberName(n, name) {
			return errorf(ErrPayload, "member %s cannot be the %s dump (backend %q)", d.Member, d.Kind, d.Backend)
		}
		if i > 0 && b.Dumps[i-1].Member >= d.Member {
			return errorf(ErrPayload, "dump %s is out of order", d.Member)
		}
	}
	return checkSysctls(b.Wanted)
}

func checkSysctls(list []Sysctl) error {
	for i, s := range list {
		if !strings.HasPrefix(s.Key, "net.") || len(s.Key) > 255 || !isMadeOf(s.Key, wordChars+"/") {
			return errorf(ErrPayload, "sysctl %q is not below net.", s.Key)
		}
		if i > 0 && list[i-1].Key >= s.Key {
			return errorf(ErrPayload, "sysctl %s is out of order", s.Key)
		}
		if err := checkText("sysctl "+s.Key, s.Value, 255); err != nil {
			return err
		}
	}
	return nil
}

// checkMembers holds the members to the manifest: each dump it names is there,
// each member that has a dump's name is one of them, and the script is the one
// that was built. Other members are carried along, and never loaded.
func (m *Manifest) checkMembers(members []Member) error {
	named := map[string]bool{}
	for _, b := range m.Builds {
		for _, d := range b.Dumps {
			named[d.Member] = true
		}
	}
	for _, mem := range members {
		if mem.Name == ScriptMember && hexDigest(mem.Data) != m.Script.SHA256 {
			return errorf(ErrDigest, "member %s is not the script that was built", mem.Name)
		}
		if !named[mem.Name] && isDumpName(mem.Name) {
			return errorf(ErrPayload, "member %s is no dump of any build", mem.Name)
		}
		delete(named, mem.Name)
	}
	for name := range named {
		return errorf(ErrPayload, "dump %s is missing", name)
	}
	return nil
}

// isDumpName says whether a name, with or without a build's number, is that of
// a dump.
func isDumpName(name string) bool {
	_, plain := buildOf(name)
	_, _, ok := ruleset.DumpOf(plain)
	return ok
}

// buildOf is the inverse of MemberName: the build, from 0, and the plain name.
func buildOf(name string) (int, string) {
	n, rest, ok := strings.Cut(name, ".")
	if i, err := strconv.Atoi(n); ok && err == nil && i > 0 {
		return i - 1, rest
	}
	return 0, name
}

func isDigest(s string) bool {
	return len(s) == 64 && isMadeOf(s, "0123456789abcdef")
}

func isMadeOf(s, chars string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(chars, r) })
}
