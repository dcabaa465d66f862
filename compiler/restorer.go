package compiler

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A restorer is a restore program that runs in the script's place, under the
// script's limits, and loads lines as they come. iptables-restore -v repeats a
// comment when it has come to it: so it tells that what stood before is loaded,
// and goes on running. The programs of other kinds tell it by their end.

// Sizes of what is loaded at once. In a user namespace one transaction of the
// nft backend is at most some 200 KB: see netfilter.Load. The legacy backend
// exchanges the whole table for each.
const (
	firstPiece  = 250
	legacyPiece = 1 << 30
)

// echoTime is how long a restore may take for its first answer. Versions that
// give none until their end are ended for each flush.
const echoTime = 3 * time.Second

// recorderTime bounds a flush.
const recorderTime = 2 * time.Minute

// piece is what one transaction loads.
type piece struct {
	table string // "" of sets
	lines []string
}

func (p *piece) text(number int, echo bool) []byte {
	var b bytes.Buffer
	if p.table != "" {
		fmt.Fprintf(&b, "*%s\n", p.table)
	}
	for _, l := range p.lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	if p.table != "" {
		b.WriteString("COMMIT\n")
	}
	if echo {
		fmt.Fprintf(&b, "#%d\n", number)
	}
	return b.Bytes()
}

// restorer loads the queue of one program.
type restorer struct {
	stage *stage
	path  string // as the script sees it
	args  []string
	sets  bool // it is ipset
	echo  bool
	size  int // lines of a piece

	open []*piece // not sent yet, one for each table: a rule meets none of another
	sent []*piece // not known to be loaded
	next int      // number of the first of sent
	proc *restoreProcess
}

// newRestorer returns one that has not started.
func newRestorer(s *stage, path string) *restorer {
	r := &restorer{stage: s, path: path, size: legacyPiece, args: []string{"restore"}}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "ipset" {
		r.sets = true
		return r
	}
	r.args = []string{"--noflush"}
	if strings.HasPrefix(name, "ip") {
		r.args = append(r.args, "-w", "-v")
		r.echo = true
	}
	if strings.Contains(name, "-nft-") {
		r.size = firstPiece
	}
	return r
}

// add queues a line.
func (r *restorer) add(table, line string) error {
	i := slices.IndexFunc(r.open, func(p *piece) bool { return p.table == table })
	if i >= 0 && len(r.open[i].lines) >= r.size {
		if err := r.send(i); err != nil {
			return err
		}
		i = -1
	}
	if i < 0 {
		i = len(r.open)
		r.open = append(r.open, &piece{table: table})
	}
	r.open[i].lines = append(r.open[i].lines, line)
	return nil
}

// waits says whether something is not loaded.
func (r *restorer) waits() bool { return len(r.open) > 0 || len(r.sent) > 0 }

// send gives the program what is queued of the i-th open piece.
func (r *restorer) send(i int) error {
	p := r.open[i]
	r.open = slices.Delete(r.open, i, i+1)
	r.sent = append(r.sent, p)
	return r.write(p, r.next+len(r.sent)-1)
}

// sendAll gives it all that is queued.
func (r *restorer) sendAll() error {
	for len(r.open) > 0 {
		if err := r.send(0); err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) write(p *piece, number int) error {
	if r.proc == nil {
		var err error
		if r.proc, err = startRestore(r.stage, r.path, r.args); err != nil {
			return err
		}
		if r.echo {
			if err := r.greet(); err != nil {
				return err
			}
		}
	}
	if _, err := r.proc.in.Write(p.text(number, r.echo)); err != nil {
		return r.again()
	}
	for r.echo {
		select {
		case line, ok := <-r.proc.lines:
			if !ok {
				return r.again()
			}
			if err := r.loaded(line); err != nil {
				return err
			}
			continue
		default:
		}
		break
	}
	return nil
}

// loaded takes the answer that a piece is loaded.
func (r *restorer) loaded(line string) error {
	if len(r.sent) == 0 || line != fmt.Sprintf("#%d", r.next) {
		return r.broken(line)
	}
	r.sent, r.next = r.sent[1:], r.next+1
	return nil
}

// greet finds out whether the program repeats comments.
func (r *restorer) greet() error {
	_, _ = r.proc.in.WriteString("#hello\n")
	select {
	case line, ok := <-r.proc.lines:
		if !ok || line != "#hello" {
			return r.broken(line)
		}
	case <-time.After(echoTime):
		r.echo = false
	}
	return nil
}

// flush waits until everything is loaded.
func (r *restorer) flush() error {
	if err := r.sendAll(); err != nil {
		return err
	}
	late := time.After(recorderTime)
	for len(r.sent) > 0 {
		if !r.echo {
			return r.finish()
		}
		select {
		case line, ok := <-r.proc.lines:
			err := error(nil)
			if ok {
				err = r.loaded(line)
			} else {
				err = r.again()
			}
			if err != nil {
				return err
			}
		case <-late:
			return errors.New("the restore takes too long")
		}
	}
	return nil
}

// finish ends the program: it has loaded everything if it says nothing.
func (r *restorer) finish() error {
	if r.proc == nil {
		return nil
	}
	_ = r.proc.in.Close()
	for line := range r.proc.lines {
		if line != "#hello" { // of a version that repeats comments at its end
			return r.broken(line)
		}
	}
	status := r.proc.wait()
	if said := r.proc.said(); said != "" || status != 0 {
		if tooLong(said) {
			return r.again()
		}
		return r.broken("")
	}
	r.proc, r.next, r.sent = nil, r.next+len(r.sent), nil
	return nil
}

func tooLong(said string) bool { return strings.Contains(said, "Message too long") } // EMSGSIZE

// again starts the program anew, with smaller pieces, where one was too large
// for a transaction: that fails as a whole, and the program ends.
func (r *restorer) again() error {
	for line := range r.proc.lines {
		if err := r.loaded(line); err != nil {
			return err
		}
	}
	r.proc.wait()
	if len(r.sent) == 0 || !tooLong(r.proc.said()) || len(r.sent[0].lines) < 2 || !r.echo && len(r.sent) > 1 {
		return r.broken("")
	}
	_ = r.proc.in.Close()
	r.proc = nil
	r.size = len(r.sent[0].lines) / 2
	var list []*piece
	for _, p := range r.sent {
		for lines := p.lines; len(lines) > 0; {
			n := min(r.size, len(lines))
			list = append(list, &piece{p.table, lines[:n]})
			lines = lines[n:]
		}
	}
	r.sent = nil
	for _, p := range list {
		r.sent = append(r.sent, p)
		if err := r.write(p, r.next+len(r.sent)-1); err != nil {
			return err
		}
	}
	return nil
}

// broken is the error of a program that said something, or ended.
func (r *restorer) broken(line string) error {
	if line == "" {
		r.proc.wait()
		if line = r.proc.said(); line == "" {
			line = "the restore ended"
		}
	}
	return errors.New(line)
}
