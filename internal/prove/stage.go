package prove

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

const stageName = "prove"

func init() { lab.Register(stageName, perform) }

// task is all that a stage is to send.
type task struct {
	Old, New lab.Firewall
	Wires    []string
	Jobs     []job
}

// job is one packet to send through three routers.
type job struct {
	Packet     lab.Packet
	Arrange    lab.Arrangement
	Connection *lab.Connection
	// Expect says that connection tracking expects the packet.
	Expect bool
	// ExpectMark is its connection's mark.
	ExpectMark uint32
	// Also are packets that only the router without rules gets: they go where the
	// packet goes that the rules translate.
	Also []lab.Packet
	// Warm is how often the packet is sent before it counts, and Fresh that the
	// router must be a new one, of the old side and of the new.
	Warm  [2]int
	Fresh [2]bool
}

// result is what became of a job's packet: in the router without rules, on the
// old side and on the new. An error is why it could not be sent.
type result struct {
	Bare     lab.Outcome
	Also     []lab.Outcome
	Sides    [2]lab.Outcome
	BareErr  string
	SideErrs [2]string
}

// perform runs in the stage. The routers work side by side.
func perform(ctx context.Context, t task) ([]result, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := make([]result, len(t.Jobs))
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i, f := range []*lab.Firewall{nil, &t.Old, &t.New} {
		wg.Go(func() {
			if errs[i] = side(ctx, &t, i-1, f, out); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			if i > 0 {
				err = fmt.Errorf("%s firewall: %w", []string{"the old", "the new"}[i-1], err)
			}
			return nil, err
		}
	}
	return out, nil
}

// side sends all packets through one router: of side n, or the one without
// rules where that is -1.
func side(ctx context.Context, t *task, n int, f *lab.Firewall, out []result) (err error) {
	var snap *ruleset.Snapshot
	if f != nil {
		// A load needs the dumps alone.
		snap = &ruleset.Snapshot{Dumps: f.Dumps}
	}
	r, unnamed, err := newRouter(ctx, snap, t.Wires)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for i := range t.Jobs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j := &t.Jobs[i]
		if n >= 0 && j.Fresh[n] {
			if err := r.Close(); err != nil {
				return err
			}
			if r, unnamed, err = newRouter(ctx, snap, t.Wires); err != nil {
				return err
			}
		}
		res := &out[i]
		if n < 0 {
			res.Bare, res.Also, res.BareErr = bare(ctx, r, j, unnamed)
			continue
		}
		var o lab.Outcome
		for range j.Warm[n] + 1 {
			if o, err = send(ctx, r, j, &j.Packet, j.Connection); err != nil {
				res.SideErrs[n] = err.Error()
				break
			}
		}
		res.Sides[n] = o
	}
	return nil
}

// newRouter makes a router with those wires that interfaces can be named after,
// and returns what is wrong with the other names.
func newRouter(ctx context.Context, s *ruleset.Snapshot, wires []string) (*lab.Router, map[string]string, error) {
	r, err := lab.NewRouter(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	unnamed := map[string]string{}
	for _, name := range wires {
		if err := r.AddWires(name); err != nil {
			unnamed[name] = err.Error()
		}
	}
	return r, unnamed, nil
}

// bare sends a packet through the router without rules.
func bare(ctx context.Context, r *lab.Router, j *job, unnamed map[string]string) (o lab.Outcome, also []lab.Outcome, failed string) {
	for name, why := range unnamed {
		for _, used := range j.Arrange.Routes {
			if name == used || name == j.Packet.In {
				return o, nil, why
			}
		}
	}
	o, err := send(ctx, r, j, &j.Packet, j.Connection)
	if err != nil {
		return o, nil, err.Error()
	}
	for i := range j.Also {
		x, err := send(ctx, r, j, &j.Also[i], nil)
		if err != nil {
			return o, nil, err.Error()
		}
		also = append(also, x)
	}
	return o, also, ""
}

func send(ctx context.Context, r *lab.Router, j *job, p *lab.Packet, c *lab.Connection) (lab.Outcome, error) {
	if err := r.Arrange(j.Arrange); err != nil {
		return lab.Outcome{}, err
	}
	if err := r.ForgetConnections(); err != nil {
		return lab.Outcome{}, err
	}
	if c != nil {
		if err := r.Connect(c); err != nil {
			return lab.Outcome{}, fmt.Errorf("a connection in that state: %w", err)
		}
	}
	if j.Expect {
		if err := r.Expect(p, j.ExpectMark); err != nil {
			return lab.Outcome{}, fmt.Errorf("an expected connection: %w", err)
		}
	}
	return r.Send(ctx, *p)
}
