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
	path, err := lookup("iptables")
	if err != nil {
		return ruleset.Toolchain{}, err
	}
	if t.IPTables, t.Backend, err = version(ctx, path, "-V"); err != nil {
		return ruleset.Toolchain{}, err
	}
	for _, p := range []struct {
		tool, flag string
		to         *string
	}{
		{"ipset", "-v", &t.IPSet},
		{"arptables", "-V", &t.ARPTables},
		{"ebtables", "-V", &t.EBTables},
		{"nft", "-v", &t.NFT},
	} {
		path, err := lookup(p.tool)
		if isNoTool(err) {
			continue
		}
		ask := func() (err error) {
			*p.to, _, err = version(ctx, path, p.flag)
			return err
		}
		err = netns.ErrNotPermitted
		if makesByAsking(path) {
			err = netns.Do(ask)
		}
		if errors.Is(err, netns.ErrNotPermitted) {
			err = ask()
		}
		if err != nil {
			return ruleset.Toolchain{}, err
		}
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
	// ipset warns on standard error, and fails, where the kernel has no ipset
	// or another protocol; its version is on standard output all the same.
	stdout, stderr, err := run(ctx, nil, path, flag)
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
