//go:build !host

package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/lab"
)

// progress is one line of a terminal that says how far the tests are; on
// anything else it is nothing.
type progress struct {
	out              io.Writer
	total, n, failed int
	last             time.Time
	shown            bool
}

func newProgress(out io.Writer, total int) *progress {
	if !isTerminal(out) || os.Getenv("TERM") == "dumb" {
		out = nil
	}
	return &progress{out: out, total: total}
}

// step takes one result in. The line changes ten times a second at most.
func (p *progress) step(r lab.Result) {
	p.n++
	if !r.OK {
		p.failed++
	}
	if p.out == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = time.Now(), true
	name := []rune(termsafe.String(r.Name))
	if len(name) > 40 {
		name = append(name[:39], '…')
	}
	failed := ""
	if p.failed > 0 {
		failed = fmt.Sprintf(", %d failed", p.failed)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%d of %d%s  %s", p.n, p.total, failed, string(name))
}

// done takes the line away.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
