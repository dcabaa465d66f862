package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// RestoreOptions say how Restore treats what is there.
type RestoreOptions struct {
	// NoFlush keeps the chains and rules that the dump does not name.
	NoFlush bool
	// Counters takes over the counters in the dump.
	Counters bool
	// Wait is how long to wait for the xtables lock of the legacy backend:
	// rounded up to seconds, 0 waits for ever.
	Wait time.Duration
}

// Restore loads one dump over the present state, as the restore program of its
// kind does: tables that the dump names are replaced, others stay. Native nft
// tables are added to. It returns a *LoadError that names the line, or an
// error that wraps ErrLocked.
func Restore(ctx context.Context, d ruleset.Dump, opts RestoreOptions) error {
	if d.Kind == ruleset.ARPTables && d.Backend == ruleset.Legacy {
		return arpRestore(ctx, d, opts)
	}
	var path string
	var args []string
	var err error
	switch d.Kind {
	case ruleset.NFTables:
		// nft 1.0.6 loads less of its own JSON than of its own language, and
		// passes over what it does not know there.
		script, err := nftScript(d)
		if err != nil {
			return err
		}
		return RunNFT(ctx, script)
	case ruleset.IPSet:
		path, err = lookup("ipset")
		args = []string{"restore"}
	case ruleset.IPTables, ruleset.IP6Tables, ruleset.ARPTables, ruleset.EBTables:
		path, err = xtool(ctx, d.Kind, d.Backend, "-restore")
		args = restoreArgs(d, opts)
	default:
		return fmt.Errorf("restore of %s is not possible", d.Name())
	}
	if err != nil {
		return err
	}
	_, _, err = run(ctx, d.Text, path, args...)
	return explain(d, err)
}

// nftScript returns the commands that load an nft document. An error is a
// *LoadError: it is the document's line that does not read.
func nftScript(d ruleset.Dump) ([]byte, error) {
	script, err := nft.Script(d.Name(), d.Text)
	var se *ruleset.SyntaxError
	if errors.As(err, &se) {
		return nil, &LoadError{Dump: d.Name(), Line: se.Line, Tool: "nft", Msg: se.Msg, Err: err}
	}
	return script, err
}

// RunNFT runs commands of nft's own language as one transaction. It returns a
// *LoadError that quotes the command which nft refuses.
func RunNFT(ctx context.Context, script []byte) error {
	path, err := lookup("nft")
	if err != nil {
		return err
	}
	_, _, err = run(ctx, script, path, "-f", "-")
	d := ruleset.Dump{Kind: ruleset.NFTables, Backend: ruleset.NFT, Text: script}
	err = explain(d, err)
	var le *LoadError
	if errors.As(err, &le) {
		le.Line = 0 // of the script, which no user sees
	}
	return err
}

func restoreArgs(d ruleset.Dump, opts RestoreOptions) []string {
	var args []string
	if opts.NoFlush {
		args = append(args, "--noflush")
	}
	if d.Kind == ruleset.EBTables || d.Kind == ruleset.ARPTables {
		return args // neither locks nor takes counters by option
	}
	if opts.Counters {
		args = append(args, "--counters")
	}
	if opts.Wait <= 0 {
		return append(args, "-w")
	}
	return append(args, "-w", strconv.Itoa(int(math.Ceil(opts.Wait.Seconds()))))
}

// explain turns a failure of a restore program into a LoadError.
func explain(d ruleset.Dump, err error) error {
	var te *ToolError
	if !errors.As(err, &te) {
		return err
	}
	le := &LoadError{Dump: d.Name(), Tool: te.Tool, Err: te}
	le.Msg, le.Line = message(te)
	if bytes.Contains([]byte(te.Stderr), []byte("holding the xtables lock")) {
		le.Err = fmt.Errorf("%w: %w", ErrLocked, te)
	}
	le.Line, le.Text = culprit(d, le.Msg, le.Line)
	return le
}
