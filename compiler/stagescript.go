package compiler

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// script runs the script to its end and then ends what it left behind.
func (s *stage) script(rep *report) error {
	in, err := openStdin(stagingRoot)
	if err != nil {
		return err
	}
	begin := time.Now()
	pid, err := s.start(in != nil)
	if err != nil {
		return err
	}
	var late atomic.Bool
	expired := time.AfterFunc(s.Timeout, func() {
		late.Store(true)
		_ = unix.Kill(-1, unix.SIGKILL)
	})
	stop, watched := make(chan struct{}), make(chan bool, 1)
	go func() { watched <- watchMemory(s.Limits, stop) }()
	asked := make(chan bool, 1)
	go func() { asked <- in.watch(stop) }()
	ws, err := s.reaper.reap(pid)
	if err != nil {
		return err
	}
	close(stop)
	rep.MemoryOut, rep.Asked = <-watched, <-asked
	if expired.Stop() {
		rep.Left = s.reaper.linger(lingerTime)
		rep.Elapsed = time.Since(begin)
		if s.Record && !rep.MemoryOut {
			s.rec.settle(s)
		}
	} else {
		rep.Elapsed = time.Since(begin)
	}
	rep.TimedOut = late.Load()
	_ = unix.Kill(-1, unix.SIGKILL)
	if _, err := s.reaper.reap(-1); err != nil {
		return err
	}
	rep.Status = ws.ExitStatus()
	if ws.Signaled() {
		rep.Status = 128 + int(ws.Signal())
		rep.Signal = ws.Signal().String()
	}
	return nil
}

// start starts the runner, which becomes the script, and returns its pid.
func (s *stage) start(input bool) (int, error) {
	c := runConfig{Root: stagingRoot, Path: s.Interp[0], Env: s.Env, Cwd: s.Cwd, Limits: s.Limits, Asks: s.Record}
	if input {
		c.Stdin = stdinFile
	}
	path := s.Path
	if _, err := os.Stat(filepath.Join(stagingRoot, s.Cwd[0])); err != nil {
		path = s.Abs
	}
	c.Argv = append(append(append(c.Argv, s.Interp...), s.copied(path)...), s.Args...)

	r, err := startRunner()
	if err != nil {
		return 0, fmt.Errorf("start the script: %w", err)
	}
	defer r.failure.Close()
	defer r.socket.Close()
	// The reader of the script's output sees its end when the last process of
	// the script is gone: the first process keeps no end of it.
	unix.Close(fdStdout)
	unix.Close(fdStderr)
	if s.Record {
		// After the script has its pid, which a thread of others could take.
		if err := s.rec.begin(s); err != nil {
			r.abandon()
			return 0, err
		}
	}
	if err := r.configure(c); err != nil {
		return r.pid, err
	}
	if s.Record {
		listener, err := takeListener(r.socket)
		if err != nil {
			s.rec.fail("the kernel does not tell who speaks to netfilter")
			_ = unix.Kill(-1, unix.SIGKILL)
			return r.pid, nil
		}
		go s.rec.listen(listener)
	}
	return r.pid, nil
}

// lingerTime is how long processes that outlive the script may go on: a shell
// does not wait for the tee of its process substitution, nor for a call that
// it put into the background.
const lingerTime = time.Second
