package lab

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// TAP writes the report in version 14 of the Test Anything Protocol
// (testanything.org): what a failed test expected and got is in a YAML block.
func (r *Report) TAP(w io.Writer) error {
	p := &printer{w: w}
	p.printf("TAP version 14\n1..%d\n", len(r.Results))
	// A # begins a directive, and a backslash escapes.
	escape := strings.NewReplacer(`\`, `\\`, "#", `\#`)
	for i, t := range r.Results {
		word := "ok"
		if !t.OK {
			word = "not ok"
		}
		p.printf("%s %d - %s\n", word, i+1, escape.Replace(termsafe.String(t.Name)))
		if !t.OK {
			p.printf("  ---\n  at: %s\n  expected: %s\n  got: %s\n",
				strconv.Quote(fmt.Sprintf("%s:%d", t.Spec, t.Line)), strconv.Quote(t.Expected), strconv.Quote(t.Got))
			if t.Trace != nil && len(t.Trace.Paths) > 0 && p.err == nil {
				p.printf("  trace: |\n")
				p.err = t.Trace.Text(w, "    ")
			}
			p.printf("  ...\n")
		}
	}
	return p.err
}
