package apply

import (
	"fmt"
	"slices"

	"github.com/fwc-dev/fwc/ruleset"
)

// alias returns the other name of one kernel variable, "" if it has none. See
// devinet_sysctl_forward in net/ipv4/devinet.c.
func alias(key string) string {
	switch key {
	case "net.ipv4.ip_forward":
		return "net.ipv4.conf.all.forwarding"
	case "net.ipv4.conf.all.forwarding":
		return "net.ipv4.ip_forward"
	}
	return ""
}

// follows returns the keys that the kernel sets along with one, and to what
// when that is set to value. Switches of a single interface set nothing else.
func follows(key, value string) map[string]string {
	if key == "net.ipv4.conf.default.forwarding" || key == "net.ipv6.conf.default.forwarding" {
		return nil
	}
	out := map[string]string{}
	for _, k := range sideEffects(key) {
		out[k] = value
		if k == "net.ipv4.conf.all.accept_redirects" {
			out[k] = map[bool]string{true: "1", false: "0"}[value == "0"]
		}
	}
	delete(out, key)
	return out
}

func valueOf(s *ruleset.Snapshot, key string) (string, bool) {
	if s == nil {
		return "", false
	}
	i := slices.IndexFunc(s.Sysctls, func(v ruleset.Sysctl) bool { return v.Key == key })
	if i < 0 {
		return "", false
	}
	return s.Sysctls[i].Value, true
}

// formerValues returns what the keys that ours sets had before fwc first set
// them, and the keys that the kernel sets along with those where that is not
// what comes of the former value. former has the same for base, what fwc
// applied last. A value that is not known is left out.
func formerValues(former map[string]string, base, ours, live *ruleset.Snapshot) map[string]string {
	out := map[string]string{}
	carry := func(to, from string) {
		if v, ok := former[from]; ok {
			out[to] = v
		}
	}
	for _, o := range ours.Sysctls {
		_, had := valueOf(base, o.Key)
		_, other := valueOf(base, alias(o.Key))
		if had || other {
			if carry(o.Key, alias(o.Key)); had {
				carry(o.Key, o.Key)
			}
			for k := range follows(o.Key, "") {
				if _, set := valueOf(ours, k); !set {
					carry(k, k)
				}
			}
			continue
		}
		now, ok := valueOf(live, o.Key)
		if !ok {
			continue // its module is not loaded yet
		}
		out[o.Key] = now
		for k, v := range follows(o.Key, now) {
			_, set := valueOf(ours, k)
			_, had := valueOf(base, k)
			if is, ok := valueOf(live, k); ok && is != v && !set && !had {
				out[k] = is
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// sysctls merges the kernel parameters: those of ours, and those of base that
// ours has not at their former values. What others have set since stays, and
// so does what is not known; notes say so.
func (m *merger) sysctls(former map[string]string) (out []ruleset.Sysctl, notes []string) {
	out = slices.Clone(m.ours.Sysctls)
	has := func(key string) bool {
		return key != "" && slices.ContainsFunc(out, func(v ruleset.Sysctl) bool { return v.Key == key })
	}
	implied := map[string]bool{}
	for _, o := range m.ours.Sysctls {
		for k := range follows(o.Key, o.Value) {
			implied[k] = true
		}
	}
	for _, b := range m.base.Sysctls {
		now, there := valueOf(m.live, b.Key)
		if has(b.Key) || implied[b.Key] || !there {
			continue
		}
		was, known := former[b.Key]
		switch {
		case now != b.Value:
			if now != was {
				notes = append(notes, fmt.Sprintf("sysctl %s stays %q: it was set since by others", b.Key, now))
			}
			continue
		case !known:
			notes = append(notes, fmt.Sprintf("sysctl %s stays %q: what it was before fwc set it is not known", b.Key, now))
			continue
		}
		out = append(out, ruleset.Sysctl{Key: b.Key, Value: was})
		for k := range follows(b.Key, was) {
			_, theirs := valueOf(m.live, k)
			_, mine := valueOf(m.base, k)
			if v, ok := former[k]; ok && theirs && !mine && !has(k) && !implied[k] {
				out = append(out, ruleset.Sysctl{Key: k, Value: v})
			}
		}
	}
	return out, notes
}
