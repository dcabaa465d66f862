package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
)

// CaptureRaw returns what Capture reads as the programs print it: with
// counters of chains, time stamps and handles.
func CaptureRaw(ctx context.Context, scope Scope) ([]ruleset.Dump, error) {
	dumps, _, err := CaptureAt(ctx, scope)
	return dumps, err
}

// CaptureAt is CaptureRaw with the generation of nf_tables that it is of, as
// State.Generation has it.
func CaptureAt(ctx context.Context, scope Scope) ([]ruleset.Dump, uint32, error) {
	nl, err := dial()
	if err != nil {
		return nil, 0, err
	}
	defer nl.Close()
	for i := range again(ctx) {
		if scope.Impatient && i > 1 {
			break
		}
		before, err := nl.generation()
		if err != nil && !errors.Is(err, errAbsent) {
			return nil, 0, err
		}
		dumps, err := captureOnce(ctx, nl, scope, before, err, nil)
		if !errors.Is(err, errInterrupted) {
			return dumps, before, err
		}
	}
	return nil, 0, unsettled(ctx)
}

// captureOnce returns errInterrupted if the generation moved meanwhile. It runs
// beside, if any, while the programs run.
func captureOnce(ctx context.Context, nl *conn, scope Scope, before uint32, err error, beside func() error) ([]ruleset.Dump, error) {
	var tables []table
	switch {
	case err == nil:
		tables, err = nl.tables()
	case errors.Is(err, errAbsent):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	sets, err := nl.sets()
	if err != nil {
		return nil, err
	}
	if err := checkNames(tables, sets); err != nil {
		return nil, err
	}
	jobs, err := plan(ctx, tables, len(sets) > 0, scope.Counters)
	if err != nil {
		return nil, err
	}
	// All start here, since only this thread is in the namespace, and run
	// side by side.
	for i := range jobs {
		if err = jobs[i].start(ctx); err != nil {
			jobs = jobs[:i]
			break
		}
	}
	if beside != nil && err == nil {
		err = beside()
	}
	var dumps []ruleset.Dump
	var listing []byte
	var documents [][]byte
	for i := range jobs {
		d, werr := jobs[i].finish(ctx)
		if werr != nil && err == nil {
			err = werr
		}
		switch {
		case jobs[i].listing:
			listing = append(listing, d.Text...)
		case d.Kind == ruleset.NFTables:
			documents = append(documents, d.Text)
		default:
			dumps = join(dumps, d)
		}
	}
	after, gerr := nl.generation()
	if gerr == nil && after != before {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	d, err := nativeDump(documents, listing)
	if err != nil {
		return nil, err
	}
	dumps = join(dumps, d)
	d, err = readSysctls(scope.Sysctls)
	if err != nil {
		return nil, err
	}
	return join(dumps, d), nil
}

// CaptureSets returns the ipsets of the namespace and some sysctls, and nothing
// else.
func CaptureSets(ctx context.Context, sysctls []string) (*ruleset.Snapshot, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	sets, err := nl.sets()
	if err != nil {
		return nil, err
	}
	var dumps []ruleset.Dump
	if len(sets) > 0 {
		if err := checkNames(nil, sets); err != nil {
			return nil, err
		}
		text, err := saveSets(ctx)
		if err != nil {
			return nil, err
		}
		dumps = append(dumps, ruleset.Dump{Kind: ruleset.IPSet, Text: text})
	}
	d, err := readSysctls(sysctls)
	if err != nil {
		return nil, err
	}
	return dump.Snapshot(join(dumps, d))
}

// join appends a dump that has text, to the earlier one of its kind if any.
func join(dumps []ruleset.Dump, d ruleset.Dump) []ruleset.Dump {
	if len(d.Text) == 0 {
		return dumps
	}
	for i := range dumps {
		if dumps[i].Kind == d.Kind && dumps[i].Backend == d.Backend {
			dumps[i].Text = append(dumps[i].Text, d.Text...)
			return dumps
		}
	}
	return append(dumps, d)
}

// job is one run of a program that prints a dump.
type job struct {
	kind    ruleset.Kind
	backend ruleset.Backend
	path    string
	args    []string
	listing bool                         // nft's text, which completes its JSON
	convert func([]byte) ([]byte, error) // makes a dump of the output, if it is none
	p       *process
}

func (j *job) start(ctx context.Context) (err error) {
	j.p, err = start(ctx, nil, j.path, j.args...)
	return err
}

func (j *job) finish(ctx context.Context) (ruleset.Dump, error) {
	if err := j.p.wait(ctx); err != nil {
		return ruleset.Dump{}, err
	}
	text := j.p.stdout.Bytes()
	if err := j.check(text, j.p.stderr.Bytes()); err != nil {
		return ruleset.Dump{}, err
	}
	if j.convert != nil {
		var err error
		if text, err = j.convert(text); err != nil {
			return ruleset.Dump{}, err
		}
	}
	return ruleset.Dump{Kind: j.kind, Backend: j.backend, Text: text}, nil
}

// check refuses a dump that is cut or that its program calls incomplete. An
// exit status is not enough: iptables-nft-save says on either stream that it
// left something out, and exits 0.
func (j *job) check(stdout, stderr []byte) error {
	for _, line := range bytes.Split(stderr, []byte("\n")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		// Capture reads the other backend itself.
		case bytes.Contains(line, []byte("-legacy tables present, use ")):
		// Labels are then printed as numbers.
		case bytes.Contains(line, []byte("connlabel.conf")):
		// nft's listing is of every table; those are captured by their owners.
		case j.listing && bytes.Contains(line, []byte("is managed by iptables-nft")):
		// ipset falls back to the older protocol of the two.
		case bytes.Contains(line, []byte("Kernel support protocol versions")):
		default:
			return &ToolError{Tool: j.p.tool, Args: j.args, Status: "incomplete dump", Stderr: string(line)}
		}
	}
	if j.kind.Family() == "" {
		return nil
	}
	last := []byte(nil)
	for line := range bytes.Lines(stdout) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("#")) && bytes.Contains(line, []byte("incompatible")) {
			return &ToolError{Tool: j.p.tool, Args: j.args, Status: "incomplete dump",
				Stderr: string(bytes.TrimLeft(line, "# "))}
		}
		if len(line) > 0 {
			last = line
		}
	}
	// The ebtables and arptables saves print no COMMIT; those of the nft
	// backend end in a comment.
	whole := len(last) == 0 || bytes.Equal(last, []byte("COMMIT")) || bytes.HasPrefix(last, []byte("# Completed on"))
	if j.kind == ruleset.IPTables || j.kind == ruleset.IP6Tables || j.backend == ruleset.NFT {
		if !whole {
			return &ToolError{Tool: j.p.tool, Args: j.args, Status: fmt.Sprintf("dump is cut after %q", last)}
		}
	}
	return nil
}
