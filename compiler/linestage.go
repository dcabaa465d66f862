package compiler

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// stageLines is a process that finds the lines of calls. A shell parser is
// recursive, and a script of four million parentheses overflows its stack,
// which ends a Go program: here it ends a process that nobody misses.
const stageLines = "lines"

func init() { netns.Register(stageLines, runLines) }

// Bounds of the process.
const (
	linesStack = 128 << 20
	linesTime  = 20 * time.Second
)

// linesRequest is what the process reads, and with it the record of the calls.
type linesRequest struct {
	Path, Abs, Dir string
	Text, Log      []byte
}

// placement is what it answers for each call.
type placement struct {
	File   string `json:",omitempty"`
	Line   int    `json:",omitempty"`
	Tested bool   `json:",omitempty"`
}

func runLines() int {
	debug.SetMaxStack(linesStack)
	var req linesRequest
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		return 1
	}
	calls, _ := parseLog(req.Log)
	newLineFinder(&source{path: req.Path, abs: req.Abs, text: req.Text}, req.Dir).locate(calls)
	places := make([]placement, len(calls))
	for i, c := range calls {
		places[i] = placement{c.Pos.File, c.Pos.Line, c.Tested}
	}
	if err := json.NewEncoder(os.Stdout).Encode(places); err != nil {
		return 1
	}
	return 0
}

// locate sets the lines of the calls, and whether their status is tested. It
// returns false if they cannot be told.
func (b *build) locate(ctx context.Context, calls []Call) bool {
	if len(calls) == 0 || len(b.src.text) > maxShellFile {
		return len(calls) == 0
	}
	req, err := json.Marshal(linesRequest{b.src.path, b.src.abs, b.opt.Dir, b.src.text, b.rep.Log})
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, linesTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = netns.Argv(stageLines)
	cmd.Env = []string{"HOME=" + os.Getenv("HOME")}
	cmd.Stdin = bytes.NewReader(req)
	out, err := cmd.Output()
	var places []placement
	if err != nil || json.Unmarshal(out, &places) != nil || len(places) != len(calls) {
		return false
	}
	for i, p := range places {
		calls[i].Tested = p.Tested
		if p.Line > 0 {
			calls[i].Pos = ruleset.Position{File: p.File, Line: p.Line}
		}
	}
	return true
}
