package verify

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/artifact"
	"github.com/fwc-dev/fwc/ruleset"
)

// BootMode is what becomes of the last confirmed firewall at boot where its
// artifact no longer matches the host.
type BootMode string

// The modes.
const (
	// Compatible takes it if a trial load proves that this host makes the same
	// of it, and locks down otherwise.
	Compatible BootMode = "compatible"
	// Lockdown never tries: only management comes in until an artifact for
	// this host is applied.
	Lockdown BootMode = "lockdown"
)

// Management is what a locked down host lets in beside answers, loopback and
// ICMP.
type Management struct {
	Ports []Port         // nil for SSH's
	From  []netip.Prefix // whence; nil for everywhere
}

// Port is a port of this host that clients connect to.
type Port struct {
	Protocol string // "tcp" or "udp"
	Number   uint16
}

// String returns "22/tcp".
func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Protocol) }

// List returns the ports, SSH's if none are named.
func (m Management) List() []Port {
	if len(m.Ports) == 0 {
		return []Port{{"tcp", 22}}
	}
	return m.Ports
}

func parseBootMode(s string) (BootMode, error) {
	switch m := BootMode(s); m {
	case Compatible, Lockdown:
		return m, nil
	}
	return "", fmt.Errorf("must be %s or %s", Compatible, Lockdown)
}

func parsePorts(s string) (out []Port, err error) {
	for word := range strings.SplitSeq(s, ",") {
		number, protocol, ok := strings.Cut(strings.TrimSpace(word), "/")
		if !ok {
			protocol = "tcp"
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 || protocol != "tcp" && protocol != "udp" {
			return nil, fmt.Errorf("%q is not a port such as 22, 22/tcp or 51820/udp", strings.TrimSpace(word))
		}
		out = append(out, Port{protocol, uint16(n)})
	}
	return out, nil
}

func parseNetworks(s string) (out []netip.Prefix, err error) {
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		p, err := netip.ParsePrefix(word)
		if err != nil {
			a, aerr := netip.ParseAddr(word)
			if aerr != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%q is not a network such as 192.0.2.0/24", word)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%q has bits beyond its length: %s is the network", word, p.Masked())
		}
		out = append(out, p)
	}
	return out, nil
}

// Boot is Match for an artifact that this host had confirmed. Where no build
// matches any more and the policy says Compatible, it takes the build that
// differs least; Accepted.Mismatches tells how, and a trial load must prove it
// before anything is changed. Labels must match all the same.
func (c *Checked) Boot(host ruleset.Toolchain) (*Accepted, error) {
	a, err := c.Match(host)
	var mismatch *HostError
	if !errors.As(err, &mismatch) || !c.policy.Boot || c.policy.OnBoot == Lockdown || len(mismatch.Labels) > 0 {
		return a, err
	}
	builds := c.artifact.Manifest.Builds
	best := -1
	var least []Mismatch
	for i := range builds {
		list, _, err := matchBuild(&builds[i], host, artifact.Accept{})
		if err != nil {
			return nil, err
		}
		if best < 0 || len(list) < len(least) {
			best, least = i, list
		}
	}
	snapshot, err := c.artifact.Snapshot(best)
	if err != nil {
		return nil, &Error{Kind: ErrContents, Msg: err.Error()}
	}
	return &Accepted{checked: c, build: best, mismatches: least, snapshot: snapshot}, nil
}

// Mismatches returns what differs from the build where Checked.Boot took an
// artifact that does not match; nil everywhere else.
func (a *Accepted) Mismatches() []Mismatch { return a.mismatches }
