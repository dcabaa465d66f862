package compiler

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serve reads the pipe until the end, and loads what it says.
func (r *recorder) serve() error {
	in := &pipeReader{r: bufio.NewReaderSize(r.calls, 64<<10), limit: r.stage.Limits.CallLog, sync: r.sync, last: r.last}
	for {
		r.busy.Store(false)
		c, err := in.next()
		r.busy.Store(true)
		r.turns.Add(1)
		switch {
		case errors.Is(err, io.EOF):
			return r.end()
		case err != nil:
			return err
		case c != nil && c.sync:
			if err := r.flush(); err != nil {
				return err
			}
			r.synced <- struct{}{}
		case c != nil:
			if err := r.queue(c); err != nil {
				return err
			}
		default:
			if err := r.flush(); err != nil {
				return err
			}
			if _, err := r.answer.WriteString("\n"); err != nil {
				return err
			}
		}
	}
}

// queue gives a call to its restorer, or makes it.
func (r *recorder) queue(c *pipeCall) error {
	name := filepath.Base(c.tool)
	i := slices.IndexFunc(r.tools, func(t recordable) bool { return t.name == name })
	if i < 0 || strings.Contains(c.tool, "/") && !slices.Contains(r.tools[i].paths, c.tool) {
		return errSpoilt
	}
	c.record(r.batches[len(r.batches)-1])
	q, ok := queueable(name, c.args)
	if !ok || c.long {
		return r.call(r.tools[i].real, c)
	}
	// Sets come before the rules that name them, and not before those that
	// named them when they were not there.
	own := r.restorer(r.tools[i].load)
	if q.makes && r.named || q.sets || q.shared {
		if err := r.settled(func(x *restorer) bool { return x != own && (q.shared || x.sets == q.sets) }); err != nil {
			return err
		}
	}
	if q.shared {
		if err := own.sendAll(); err != nil {
			return err
		}
	}
	r.named = r.named || q.sets
	return own.add(q.table, q.line)
}

// restorer returns the one of a program.
func (r *recorder) restorer(path string) *restorer {
	for _, x := range r.restorers {
		if x.path == path {
			return x
		}
	}
	x := newRestorer(r.stage, path)
	r.restorers = append(r.restorers, x)
	return x
}

// call makes a call for real. It must end as it was taken to end.
func (r *recorder) call(path string, c *pipeCall) error {
	if err := r.settled(func(*restorer) bool { return true }); err != nil {
		return err
	}
	p, err := startRestore(r.stage, path, c.args)
	if err != nil {
		return err
	}
	_ = p.in.Close()
	said := ""
	for line := range p.lines {
		said = line
	}
	if status := p.wait(); status != 0 || said+p.said() != "" {
		return fmt.Errorf("%s ends with status %d and says %q", c.tool, status.ExitStatus(), said+p.said())
	}
	return nil
}

// settled waits until the restorers that are meant have loaded everything.
func (r *recorder) settled(meant func(*restorer) bool) error {
	for _, x := range r.restorers {
		if meant(x) && x.waits() {
			if err := x.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush loads everything, and notes in the log where that was.
func (r *recorder) flush() error {
	if err := r.settled(func(*restorer) bool { return true }); err != nil {
		return err
	}
	r.named = false
	if n := len(r.batches); r.batches[n-1].Len() > 0 {
		if _, err := fmt.Fprintf(r.log, "flush\x00%d\x00", n-1); err != nil {
			return err
		}
		r.batches = append(r.batches, new(bytes.Buffer))
	}
	return nil
}

// listen answers the questions of the script's processes.
func (r *recorder) listen(listener *os.File) {
	answerCalls(listener, func(number int32) {
		if number == unix.SYS_PRCTL {
			r.fail("the script takes capabilities from what it runs")
			_ = unix.Kill(-1, unix.SIGKILL)
			return
		}
		if _, err := r.calls.WriteString(r.sync + string(rune(fieldEnd))); err != nil {
			return
		}
		select {
		case <-r.synced:
		case <-r.served:
		case <-time.After(askTime):
			r.fail("a program keeps the queue from loading")
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	})
}

// askTime is how long a process that speaks to netfilter waits for the queue. A
// legacy tool that no shim stands for has the lock that the load needs.
const askTime = 10 * time.Second

// end loads everything, and ends the restorers: one that loads a rule and says
// that its syntax is an old one says so to the script too.
func (r *recorder) end() error {
	if err := r.flush(); err != nil {
		return err
	}
	for _, x := range r.restorers {
		if err := x.finish(); err != nil {
			return err
		}
	}
	return nil
}

// settle loads what is queued when the script has ended.
func (r *recorder) settle(s *stage) {
	if _, err := r.calls.WriteString(r.last + string(rune(fieldEnd))); err != nil {
		r.fail(err.Error())
		return
	}
	late := time.After(recorderTime)
	for {
		select {
		case <-r.served:
			return
		case <-late:
			r.fail("the last flush takes too long")
			return
		case <-time.After(time.Millisecond):
			s.reaper.poll()
		}
	}
}
