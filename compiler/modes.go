package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/fwc-dev/fwc/ruleset/dump"
)

// converser runs staging once.
type converser func(opt Options, stdout, stderr io.Writer) (*report, leftOut, error)

// buildFast builds with the recorder, and again in exact mode where that does
// not end well: all that is said about a script that fails, and what it prints
// then, comes from the exact run. What the first run prints is held back until
// its result stands.
func buildFast(ctx context.Context, src *source, opt Options, talk converser) (*Result, error) {
	opt.copy = make(chan []byte, 2) // for two runs
	go func(copies chan<- []byte) {
		text := copyOf(ctx, src)
		copies <- text
		copies <- text
	}(opt.copy)
	if opt.Exact {
		return buildOnce(ctx, src, opt, talk)
	}
	if why := unheard(src.text); why != "" {
		res, err := buildOnce(ctx, src, opt, talk)
		if res != nil {
			res.ExactReason = why
		}
		return res, err
	}
	fast := opt
	fast.record = true
	var h holder
	fast.Stdout, fast.Stderr = h.writer(opt.Stdout), h.writer(opt.Stderr)
	res, err := buildOnce(ctx, src, fast, talk)
	why := ""
	var again *redoError
	var late *TimeoutError
	switch {
	case errors.As(err, &again):
		why = again.reason
		if strings.Contains(why, specialReason) {
			opt.copy = nil
		}
	case err == nil && len(res.Failures) > 0:
		why = "firewall calls failed"
	case err == nil, ctx.Err() != nil, errors.As(err, &late):
		h.release()
		return res, err
	case !fromScript(err):
		return res, err
	default:
		why = "the script failed"
	}
	if res, err = buildOnce(ctx, src, opt, talk); res != nil {
		res.ExactReason = why
	}
	return res, err
}

// unheard says what a script does that the recorder is not told of, or "".
func unheard(text []byte) string {
	switch {
	case bytes.Contains(text, []byte("_tables_names")):
		return "the script reads which tables there are from /proc"
	case ownLimits.Match(text):
		return "the script sets limits that a call may not meet"
	}
	return ""
}

// ownLimits matches what bounds the memory, time, files or processes of
// those that a shell starts. A function starts none.
var ownLimits = regexp.MustCompile(`\bprlimit\b|\bulimit\s+(?:-[SH]\s+)*-[SH]*[dfmntuv]`)

// specialReason is in the reason why a copy of the script does not do.
const specialReason = " runs the shell's "

// fromScript says whether another run may end otherwise.
func fromScript(err error) bool {
	var se *ScriptError
	var ce *CallError
	var le *LossError
	var re *RecordError
	return errors.As(err, &se) || errors.As(err, &ce) || errors.As(err, &le) || errors.As(err, &re)
}

// redoError says that the recorder gave up.
type redoError struct{ reason string }

func (e *redoError) Error() string { return e.reason }

// holder keeps what is written to several writers, in order.
type holder struct {
	mu   sync.Mutex
	held []struct {
		to   io.Writer
		text []byte
	}
}

type heldWriter struct {
	h  *holder
	to io.Writer
}

// writer returns a writer that to gets the text of at release; nil for nil.
func (h *holder) writer(to io.Writer) io.Writer {
	if to == nil {
		return nil
	}
	return heldWriter{h, to}
}

func (w heldWriter) Write(p []byte) (int, error) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	w.h.held = append(w.h.held, struct {
		to   io.Writer
		text []byte
	}{w.to, append([]byte(nil), p...)})
	return len(p), nil
}

func (h *holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.held {
		_, _ = c.to.Write(c.text)
	}
	h.held = nil
}

// buildOnce builds in one of the two modes.
func buildOnce(ctx context.Context, src *source, opt Options, talk converser) (*Result, error) {
	stdout, stderr := newOutput(opt.Stdout, opt.MaxOutput), newOutput(opt.Stderr, opt.MaxOutput)
	stderr.watch = true
	rep, left, err := talk(opt, stdout, stderr)
	stdout.flush()
	stderr.flush()
	if rep != nil && rep.gone != nil {
		defer func() { _, _ = rep.gone() }()
	}
	if err != nil {
		return nil, err
	}
	if rep.Redo != "" {
		return nil, &redoError{rep.Redo}
	}
	b := &build{src: src, opt: opt, rep: rep, stderr: stderr, result: &Result{
		Toolchain: rep.Toolchain, Script: src.text, ScriptSHA256: src.sha256, Elapsed: rep.Elapsed, Exact: !opt.record,
	}}
	if left.keys > 0 {
		b.note("left out beside the script: %s; a script must not read what signs its artifact", counted(left.keys, "private key"))
	}
	if left.room > 0 {
		b.note("left out beside the script: %s, beyond %d files or %d MB", counted(left.room, "file"), maxFiles, maxFileBytes>>20)
	}
	if n := stdout.lost + stderr.lost; n > 0 {
		b.note("%d bytes of the script's output were left out: it wrote more than %d", n, opt.MaxOutput)
	}
	if err := b.judge(ctx); err != nil {
		var ce *CallError
		var se *ScriptError
		var te *TimeoutError
		if errors.As(err, &ce) || errors.As(err, &se) || errors.As(err, &te) {
			return b.result, err
		}
		return nil, err
	}
	if b.result.Snapshot, err = dump.Snapshot(rep.Dumps); err != nil {
		return nil, fmt.Errorf("read the dumps: %w", err)
	}
	b.sources()
	b.openFamilies()
	b.noRules()
	return b.result, nil
}
