package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// Probe returns the kernel's and the tools' versions. A tool that is absent
// has "", but a host without iptables is a *NoToolError.
func Probe(ctx context.Context) (ruleset.Toolchain, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return ruleset.Toolchain{}, fmt.Errorf("uname: %w", err)
	}
	t := ruleset.Toolchain{
		Kernel: unix.ByteSliceToString(uts.Release[:]),
		Arch:   unix.ByteSliceToString(uts.Machine[:]),
	}
	tools := []struct {
		tool, flag string
		to         *string
		p          *process // under way
		path       string
	}{
		{"iptables", "-V", &t.IPTables, nil, ""},
		{"ipset", "-v", &t.IPSet, nil, ""},
		{"arptables", "-V", &t.ARPTables, nil, ""},
		{"ebtables", "-V", &t.EBTables, nil, ""},
		{"nft", "-v", &t.NFT, nil, ""},
	}
	var err error
	for i := range tools { // all at once
		p := &tools[i]
		if p.path, err = lookup(p.tool); err != nil {
			if i > 0 && isNoTool(err) {
				err = nil
				continue
			}
			break
		}
		if !makesByAsking(p.path) {
			if p.p, err = start(ctx, nil, p.path, p.flag); err != nil {
				break
			}
		}
	}
	for i := range tools {
		p := &tools[i]
		var backend ruleset.Backend
		switch {
		case p.p != nil:
			werr := p.p.wait(ctx)
			if err == nil {
				*p.to, backend, err = p.p.version(p.path, p.flag, werr)
			}
		case p.path != "" && err == nil:
			ask := func() (err error) {
				*p.to, _, err = version(ctx, p.path, p.flag)
				return err
			}
			if err = netns.Do(ask); errors.Is(err, netns.ErrNotPermitted) {
				err = ask()
			}
		}
		if i == 0 {
			t.Backend = backend
		}
	}
	if err != nil {
		return ruleset.Toolchain{}, err
	}
	return t, nil
}

// makesByAsking says whether a program is one of those that make their table
// even to print their version, and are asked in a namespace of their own: the
// legacy arptables and ebtables.
func makesByAsking(path string) bool {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		file = path
	}
	tool := filepath.Base(path)
	return (tool == "arptables" || tool == "ebtables") && !strings.Contains(filepath.Base(file), "nft")
}

// The first line of "iptables -V" is "iptables v1.8.9 (nf_tables)"; before
// 1.8 there was no backend in it. ebtables has no v before the number, ipset
// a comma after it.
var versionLine = regexp.MustCompile(`(?m)^\S+ v?(\d+(?:\.\d+)+[0-9A-Za-z.+~-]*),?(?: \((\w+)\))?`)

// version runs a program and returns its version and, for an xtables program,
// its backend.
func version(ctx context.Context, path, flag string) (string, ruleset.Backend, error) {
	p, err := start(ctx, nil, path, flag)
	if err != nil {
		return "", "", err
	}
	return p.version(path, flag, p.wait(ctx))
}

// version reads what a program printed that ended with err.
func (p *process) version(path, flag string, err error) (string, ruleset.Backend, error) {
	// ipset warns on standard error, and fails, where the kernel has no ipset
	// or another protocol; its version is on standard output all the same.
	stdout, stderr := p.stdout.Bytes(), p.stderr.Bytes()
	m := versionLine.FindSubmatch(stdout)
	if m == nil {
		if m = versionLine.FindSubmatch(stderr); m == nil {
			if err == nil {
				err = fmt.Errorf("%s %s: no version in %q", path, flag, bytes.TrimSpace(stdout))
			}
			return "", "", err
		}
	}
	backend := ruleset.Legacy
	if string(m[2]) == "nf_tables" {
		backend = ruleset.NFT
	}
	return string(m[1]), backend, nil
}
