package compiler

import (
	"bufio"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// restoreProcess is a running restore.
type restoreProcess struct {
	in     *os.File
	lines  chan string // of its standard output
	ended  chan unix.WaitStatus
	status *unix.WaitStatus

	mu     sync.Mutex
	stderr string // its first line
	read   sync.WaitGroup
}

// startRestore starts a program in the script's place.
func startRestore(s *stage, path string, args []string) (*restoreProcess, error) {
	sp, err := s.spare()
	if err != nil {
		return nil, err
	}
	p := &restoreProcess{in: sp.in, lines: make(chan string, 1000), ended: s.reaper.end(sp.runner.pid)}
	c := runConfig{Root: stagingRoot, Path: path, Argv: append([]string{path}, args...), Env: environment(nil), Limits: s.Limits, Piped: true}
	err = sp.runner.configure(c)
	sp.runner.failure.Close()
	if err != nil {
		return nil, err
	}
	go func() {
		defer sp.out.Close()
		defer close(p.lines)
		scan := bufio.NewScanner(sp.out)
		for scan.Scan() {
			p.lines <- scan.Text()
		}
	}()
	p.read.Go(func() {
		defer sp.err.Close()
		scan := bufio.NewScanner(sp.err)
		for scan.Scan() {
			p.mu.Lock()
			if p.stderr == "" || tooLong(scan.Text()) {
				p.stderr = scan.Text()
			}
			p.mu.Unlock()
		}
	})
	return p, nil
}

// said returns what the program says on standard error, its first line. The
// program has ended.
func (p *restoreProcess) said() string {
	p.read.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr
}

// wait waits for the program's end.
func (p *restoreProcess) wait() unix.WaitStatus {
	if p.status == nil {
		st := <-p.ended
		p.status = &st
	}
	return *p.status
}
