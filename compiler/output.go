package compiler

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// output passes a script's talk on: the first half of a limit as it comes, and
// the last half at the end, with a word about what is missing. A script that
// writes without end is not an error for that; the time limit ends it.
type output struct {
	to   io.Writer
	max  int64
	mu   sync.Mutex
	n    int64  // bytes passed on live
	lost int64  // bytes neither passed on nor in tail
	tail []byte // ring of the last bytes
	at   int    // next position in the ring, once it is full
	full bool

	watch  bool   // read the lines too
	line   []byte // the line in the making, cut
	last   string // the last line that was not blank
	absent []missing

	complaints []complaint
}

// missing is a shell's word that it did not find a tool.
type missing struct {
	Tool, File string
	Line       int
	Sure       bool // bash tells the right line
}

func newOutput(to io.Writer, max int64) *output {
	if to == nil {
		to = io.Discard
	}
	return &output{to: to, max: max}
}

// Write never fails: a script must not notice who listens.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	written := len(p)
	if o.watch {
		// A shell that runs a copy says so.
		p = bytes.ReplaceAll(p, []byte(": "+recCopy+": "), []byte(": "))
		o.lines(p)
	}
	head := p[:min(int64(len(p)), max(o.max/2-o.n, 0))]
	o.n += int64(len(head))
	_, _ = o.to.Write(head)
	o.keep(p[len(head):])
	return written, nil
}

// keep puts bytes into the ring.
func (o *output) keep(p []byte) {
	size := int(o.max / 2)
	if skip := len(p) - size; skip > 0 {
		o.lost += int64(skip + len(o.tail))
		o.tail, o.at, o.full = o.tail[:0], 0, false
		p = p[skip:]
	}
	if !o.full {
		n := min(size-len(o.tail), len(p))
		o.tail = append(o.tail, p[:n]...)
		p = p[n:]
		o.full = len(o.tail) == size
	}
	o.lost += int64(len(p))
	for len(p) > 0 {
		n := copy(o.tail[o.at:], p)
		p = p[n:]
		o.at = (o.at + n) % size
	}
}

// flush writes the end.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watch {
		o.lines([]byte("\n"))
	}
	if o.lost > 0 {
		fmt.Fprintf(o.to, "\n… %d bytes of output left out …\n", o.lost)
	}
	_, _ = o.to.Write(o.tail[o.at:])
	_, _ = o.to.Write(o.tail[:o.at])
	o.tail, o.at = nil, 0
}

// notFound is how shells say that there is no such program: "fw.sh: 12: ipset:
// not found" (dash), "fw.sh: line 12: ipset: command not found" (bash).
var notFound = regexp.MustCompile(`^(.+): (?:line )?(\d+): ([^ :]+): (?:command )?(?:not found|No such file or directory)$`)

// lines looks at the text line by line.
func (o *output) lines(p []byte) {
	const longest = 4096
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if room := longest - len(o.line); room > 0 {
			o.line = append(o.line, part[:min(room, len(part))]...)
		}
		if i < 0 {
			return
		}
		p = p[i+1:]
		if line := bytes.TrimSpace(o.line); len(line) > 0 {
			o.last = string(line)
			o.missing(o.last)
			o.complain(o.last)
		}
		o.line = o.line[:0]
	}
}

// missing notes a line that says that there is no such program.
func (o *output) missing(line string) {
	if len(o.absent) >= 100 || !strings.HasSuffix(line, "ot found") && !strings.HasSuffix(line, "or directory") {
		return
	}
	if m := notFound.FindStringSubmatch(line); m != nil {
		n, _ := strconv.Atoi(m[2])
		o.absent = append(o.absent, missing{m[3], m[1], n, strings.Contains(line, ": line "+m[2]+": ")})
	}
}
