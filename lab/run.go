package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// RunOptions say what to test and how.
type RunOptions struct {
	// Snapshot is the firewall under test.
	Snapshot *ruleset.Snapshot
	Specs    []*Spec
	// Privileged leaves the user namespace out, for root.
	Privileged bool
	// Keep leaves each spec's network behind, and its services running.
	Keep bool
	// Coverage counts which rules packets meet.
	Coverage bool
	// Parallel is how many specs run at once; 0 is one a processor.
	Parallel int
	// Progress, if set, is called after each test, from one goroutine at a time.
	Progress func(Result)
}

// Result is what one test came to.
type Result struct {
	Spec string `json:"spec"`
	Line int    `json:"line"`
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Expected and Got are in words.
	Expected string    `json:"expected"`
	Got      string    `json:"got"`
	Flows    []Finding `json:"flows,omitempty"`
	Millis   float64   `json:"millis"`
	// Trace is the way of the packets of a test that failed.
	Trace *Trace `json:"trace,omitempty"`
}

// Report is what a run came to, in the order of the specs and their tests.
type Report struct {
	Results []Result
	Passed  int
	Failed  int
	// Elapsed is the whole run's, Setup what of it went into making the
	// networks and loading the firewall, of all specs together.
	Elapsed, Setup time.Duration
	// Kept are the networks that were left behind.
	Kept []Kept
	// Coverage is that of all specs together; nil if it was not asked for.
	Coverage *Coverage
}

// Kept is a network that was left behind: Pid is the process that holds it, and
// with which it goes.
type Kept struct {
	Spec       string
	Pid        int
	Privileged bool
	Hosts      []string
}

// Run runs the tests of the specs, each in a network of its own, several at
// once. It returns an error if a network cannot be made or the firewall does
// not load: one that wraps netns.ErrNotPermitted where the host refuses
// namespaces, or the context's if it is cancelled. Tests that fail are no error.
//
// All that Run makes is gone when it returns, but for Keep, and also when this
// process ends in whatever way.
func Run(ctx context.Context, opt RunOptions) (*Report, error) {
	start := time.Now()
	n := opt.Parallel
	if n <= 0 {
		n = runtime.NumCPU()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type part struct {
		results []Result
		runEnd
	}
	parts := make([]part, len(opt.Specs))
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, n)
	for i, spec := range opt.Specs {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			p := &parts[i]
			var err error
			p.runEnd, err = runSpec(ctx, opt, i, func(r Result) {
				r.Spec = spec.File
				mu.Lock()
				defer mu.Unlock()
				p.results = append(p.results, r)
				if opt.Progress != nil {
					opt.Progress(r)
				}
			})
			if err != nil {
				if !strings.HasPrefix(err.Error(), spec.File+":") {
					err = fmt.Errorf("%s: %w", spec.File, err)
				}
				cancel(err)
			}
		})
	}
	wg.Wait()
	rep := &Report{}
	for _, p := range parts {
		rep.Results = append(rep.Results, p.results...)
		rep.Setup += p.setup
		if p.kept != nil {
			rep.Kept = append(rep.Kept, *p.kept)
		}
		if p.coverage != nil && rep.Coverage == nil {
			rep.Coverage = p.coverage
		} else if p.coverage != nil {
			if err := rep.Coverage.Add(p.coverage); err != nil {
				cancel(err)
			}
		}
	}
	if ctx.Err() != nil {
		for _, k := range rep.Kept {
			_ = k.Remove()
		}
		return nil, context.Cause(ctx)
	}
	for _, r := range rep.Results {
		if r.OK {
			rep.Passed++
		} else {
			rep.Failed++
		}
	}
	rep.Elapsed = time.Since(start)
	return rep, nil
}

// runEnd is what a spec's run came to beside its tests.
type runEnd struct {
	kept     *Kept
	setup    time.Duration
	coverage *Coverage
}

// runSpec runs one spec in a stage.
func runSpec(ctx context.Context, opt RunOptions, nth int, progress func(Result)) (runEnd, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return runEnd{}, err
	}
	defer inW.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		return runEnd{}, errors.Join(err, inR.Close())
	}
	defer outR.Close()
	p, err := netns.Start(stageTest, netns.StartOptions{Privileged: opt.Privileged, Detached: opt.Keep,
		Files: []*os.File{inR, outW}, Env: os.Environ()})
	inR.Close()
	outW.Close()
	if err != nil {
		return runEnd{}, err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	spec := opt.Specs[nth]
	go func() {
		// A write fails only if the stage is gone, which reading tells.
		_ = json.NewEncoder(inW).Encode(task{Spec: spec, Snapshot: opt.Snapshot, Processor: os.Getpid() + nth, Keep: opt.Keep, Coverage: opt.Coverage})
	}()
	dec := json.NewDecoder(outR)
	for {
		var m message
		if err := dec.Decode(&m); err != nil {
			p.Kill()
			ps, _ := p.Wait()
			if ctx.Err() != nil {
				return runEnd{}, context.Cause(ctx)
			}
			return runEnd{}, fmt.Errorf("the lab ended without a result (%v): %w", ps, err)
		}
		switch {
		case m.Result != nil:
			progress(*m.Result)
		case m.Err != "":
			p.Kill()
			_, _ = p.Wait()
			return runEnd{}, &StageError{Msg: m.Err, refused: m.Refused, errno: m.Errno}
		default:
			if opt.Keep {
				if _, err := io.WriteString(inW, keepWord); err != nil {
					return runEnd{}, err
				}
				// The network's process lives on by itself.
				end := m
				if err := dec.Decode(&m); err != nil {
					return runEnd{}, fmt.Errorf("the lab does not stay: %w", err)
				}
				stop()
				return runEnd{newKept(spec, p.Pid(), opt.Privileged), end.Setup, end.Coverage}, nil
			}
			p.Kill()
			_, err := p.Wait()
			return runEnd{nil, m.Setup, m.Coverage}, err
		}
	}
}
