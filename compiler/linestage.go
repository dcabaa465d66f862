package compiler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
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
	Interp         []string
	Text, Log      []byte
	Absent         []missing
}

// placement is what it answers for each call.
type placement struct {
	File   string   `json:",omitempty"`
	Line   int      `json:",omitempty"`
	Tested bool     `json:",omitempty"`
	Args   []string `json:",omitempty"`
}

func runLines() int {
	debug.SetMaxStack(linesStack)
	var req linesRequest
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		return 1
	}
	calls, _ := parseLog(req.Log)
	f := newLineFinder(&source{path: req.Path, abs: req.Abs, text: req.Text, interp: req.Interp}, req.Dir)
	f.locate(calls)
	places := make([]placement, len(calls))
	for i, c := range calls {
		places[i] = placement{File: c.Pos.File, Line: c.Pos.Line, Tested: c.Tested}
	}
	for _, m := range req.Absent {
		places = append(places, f.absent(m))
	}
	if err := json.NewEncoder(os.Stdout).Encode(places); err != nil {
		return 1
	}
	return 0
}

// findPlaces tells the places of the calls of a record, and of the names that
// a shell did not find.
func findPlaces(ctx context.Context, src *source, dir string, log []byte, absent []missing) ([]placement, error) {
	if len(log)+len(absent) == 0 {
		return nil, nil
	}
	if len(src.text) > maxShellFile {
		return nil, errors.New("the script is too long")
	}
	req, err := json.Marshal(linesRequest{Path: src.path, Abs: src.abs, Dir: dir, Interp: src.interp, Text: src.text, Log: log, Absent: absent})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, linesTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = netns.Argv(stageLines)
	cmd.Env = []string{"HOME=" + os.Getenv("HOME")}
	cmd.Stdin = bytes.NewReader(req)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var places []placement
	return places, json.Unmarshal(out, &places)
}

// locate sets the lines of the calls, and whether their status is tested. It
// returns false if they cannot be told.
func (b *build) locate(ctx context.Context, calls, absent []Call) bool {
	var list []missing
	for _, c := range absent {
		list = append(list, missing{c.typed, c.file, c.line, c.sure})
	}
	find := b.rep.places
	if find == nil || len(list) > 0 {
		find = func() ([]placement, error) { return findPlaces(ctx, b.src, b.opt.Dir, b.rep.Log, list) }
	}
	places, err := find()
	if err != nil || len(places) != len(calls)+len(absent) {
		return false
	}
	for i, p := range places[len(calls):] {
		c := &absent[i]
		c.Tested = p.Tested
		if p.Line > 0 {
			c.Pos = ruleset.Position{File: p.File, Line: p.Line}
		} else if c.sure {
			c.Pos = ruleset.Position{File: c.file, Line: c.line}
		}
		asks := Call{Tool: c.Tool, Args: p.Args}
		if len(p.Args) > 0 && !asks.adds() && !slices.ContainsFunc(p.Args, func(a string) bool {
			return slices.Contains([]string{"create", "new", "n", "-N", "--create", "--new-chain"}, a)
		}) {
			c.Args = p.Args // then its failure is none of the firewall's
		}
	}
	for i, p := range places[:len(calls)] {
		calls[i].Tested = p.Tested
		if p.Line > 0 {
			calls[i].Pos = ruleset.Position{File: p.File, Line: p.Line}
		}
	}
	return true
}
