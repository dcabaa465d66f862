package verify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
)

// DefaultPolicyFile is where hosts keep their policy.
const DefaultPolicyFile = "/etc/fwc/policy.conf"

// Policy is what a host asks of an artifact beside a signature. Make one with
// DefaultPolicy or LoadPolicy: the zero Policy has a threshold of 0 and accepts
// nothing.
type Policy struct {
	// Threshold is how many different trusted keys must have signed.
	Threshold int
	// Labels are this host's. Each label of the artifact must be equal here.
	Labels map[string]string
	// RequireLabels are keys that the artifact must have labels for.
	RequireLabels []string
	// MaxSerialStep and MaxEpochStep bound how far an artifact may jump ahead
	// of the highest accepted one: a serial that none can follow would lock
	// the host. A serial up to the present time in seconds is never too high.
	MaxSerialStep, MaxEpochStep uint64
	// MaxClockSkew is how far ahead of this host's clock an artifact may have
	// been created.
	MaxClockSkew time.Duration
	// Keys bounds when the keys of the trust root count, by their name.
	Keys map[string]Validity
	// OnBoot says what becomes, at boot, of an artifact that no longer matches
	// this host, as after a kernel upgrade. "" stands for Compatible.
	OnBoot BootMode
	// Management is what a lockdown lets in.
	Management Management
	// Keep are patterns of what others own of this host's firewall.
	Keep []string

	// Accept widens which versions match, as the artifact's own constraints do.
	Accept artifact.Accept
	// AllowOlder accepts an artifact whatever was accepted before it, also when
	// the state is lost. Record writes it down.
	AllowOlder bool
	// Boot accepts, whatever the clock says, what was accepted before: the
	// last, or an older one, which a rollback may have brought back.
	Boot bool
}

// Validity is the time in which a key counts; a zero end is open.
type Validity struct {
	NotBefore, NotAfter time.Time
}

// note says why a key does not count now, or "".
func (v Validity) note(now time.Time) string {
	if !v.NotBefore.IsZero() && now.Before(v.NotBefore) {
		return "is not valid before " + v.NotBefore.Format(time.RFC3339)
	}
	if !v.NotAfter.IsZero() && now.After(v.NotAfter) {
		return "is not valid after " + v.NotAfter.Format(time.RFC3339)
	}
	return ""
}

// DefaultPolicy asks for one signature and plausible times and serials.
func DefaultPolicy() Policy {
	return Policy{Threshold: 1, MaxSerialStep: 1_000_000, MaxEpochStep: 100, MaxClockSkew: 24 * time.Hour}
}

// LoadPolicy reads a policy file under the rules of LoadTrust. A file that does
// not exist is the DefaultPolicy. Errors are of kind ErrPolicy.
func LoadPolicy(file string) (Policy, error) {
	text, err := readOwned(file, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultPolicy(), nil
	}
	if err != nil {
		return Policy{}, errorf(ErrPolicy, "%v", err)
	}
	return ParsePolicy(file, text)
}

// withoutComment cuts a line where a # begins it, or stands behind a blank.
func withoutComment(line string) string {
	for i := range line {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// ParsePolicy reads the text of a policy file, lines of "key = value" with #
// for comments, at the start of a line or after a blank. Each key may be there
// once, but keep more often:
//
//	threshold = 2
//	label.role = web
//	require-labels = role, site
//	max-serial-step = 1000000
//	max-epoch-step = 100
//	max-clock-skew = 24h
//	key.NAME.not-before = 2026-01-01
//	key.NAME.not-after = 2026-12-31T12:00:00Z
//	boot = compatible
//	management-ports = 22, 51820/udp
//	management-from = 192.0.2.0/24, 2001:db8::/32
//	keep = MINE-*, !Docker
//
// NAME is a file of the trust root without ".pub". A day alone counts whole, in
// UTC. Errors are of kind ErrPolicy and name file and line.
func ParsePolicy(file string, text []byte) (Policy, error) {
	p := DefaultPolicy()
	p.Labels, p.Keys = map[string]string{}, map[string]Validity{}
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(withoutComment(lines.Text()))
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			return Policy{}, errorf(ErrPolicy, "%s:%d: not of the form key = value", file, n)
		}
		if seen[key] && key != "keep" {
			return Policy{}, errorf(ErrPolicy, "%s:%d: %s is there twice", file, n, key)
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			return Policy{}, errorf(ErrPolicy, "%s:%d: %s: %v", file, n, key, err)
		}
	}
	if err := lines.Err(); err != nil {
		return Policy{}, errorf(ErrPolicy, "%s:%d: %v", file, n+1, err)
	}
	return p, nil
}

func (p *Policy) set(key, value string) (err error) {
	switch key {
	case "threshold":
		if p.Threshold, err = strconv.Atoi(value); err == nil && p.Threshold < 1 {
			err = errors.New("must be 1 or more")
		}
		return err
	case "max-serial-step":
		p.MaxSerialStep, err = strconv.ParseUint(value, 10, 53)
		return err
	case "max-epoch-step":
		p.MaxEpochStep, err = strconv.ParseUint(value, 10, 53)
		return err
	case "max-clock-skew":
		if p.MaxClockSkew, err = time.ParseDuration(value); err == nil && p.MaxClockSkew < 0 {
			err = errors.New("must not be negative")
		}
		return err
	case "require-labels":
		for label := range strings.SplitSeq(value, ",") {
			label = strings.TrimSpace(label)
			if err := artifact.CheckLabel(label, ""); err != nil {
				return err
			}
			p.RequireLabels = append(p.RequireLabels, label)
		}
		slices.Sort(p.RequireLabels)
		return nil
	case "boot":
		p.OnBoot, err = parseBootMode(value)
		return err
	case "management-ports":
		p.Management.Ports, err = parsePorts(value)
		return err
	case "management-from":
		p.Management.From, err = parseNetworks(value)
		return err
	case "keep":
		for pattern := range strings.SplitSeq(value, ",") {
			if pattern = strings.TrimSpace(pattern); pattern == "" {
				return errors.New("a pattern is empty")
			}
			if strings.ContainsAny(pattern, `"'`) { // as for a shell, and so would match nothing
				return fmt.Errorf("%s: write it without quotes", pattern)
			}
			if _, err := path.Match(pattern, ""); err != nil {
				return fmt.Errorf("%q is not a pattern such as MINE-*", pattern)
			}
			p.Keep = append(p.Keep, pattern)
		}
		return nil
	}
	if label, ok := strings.CutPrefix(key, "label."); ok {
		p.Labels[label] = value
		return artifact.CheckLabel(label, value)
	}
	if name, ok := strings.CutPrefix(key, "key."); ok {
		return p.setKey(name, value)
	}
	return errors.New("unknown key")
}

func (p *Policy) setKey(key, value string) (err error) {
	i := strings.LastIndexByte(key, '.')
	if i <= 0 {
		return errors.New("unknown key")
	}
	name, end := key[:i], key[i+1:]
	v := p.Keys[name]
	switch end {
	case "not-before":
		v.NotBefore, err = parseTime(value, 0)
	case "not-after":
		v.NotAfter, err = parseTime(value, 24*time.Hour-time.Second)
	default:
		return errors.New("unknown key")
	}
	p.Keys[name] = v
	return err
}

// parseTime reads RFC 3339 or a day, to which it adds rest.
func parseTime(s string, rest time.Duration) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.Add(rest), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, errors.New("not a time such as 2026-12-31 or 2026-12-31T12:00:00Z")
	}
	return t.UTC(), nil
}
