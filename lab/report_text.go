package lab

import (
	"fmt"
	"io"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// ReportOptions say how a report looks.
type ReportOptions struct {
	Color bool
	// Verbose lists the tests that passed too.
	Verbose bool
}

// Text writes the report for people: what failed, and how many passed.
func (r *Report) Text(w io.Writer, opt ReportOptions) error {
	p := &printer{w: w}
	paint := func(code, s string) string {
		if !opt.Color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	spec, width := "", 0
	for i, t := range r.Results {
		if opt.Verbose && t.Spec != spec {
			spec, width = t.Spec, r.width(i)
			p.printf("%s\n", termsafe.String(spec))
		}
		switch {
		case t.OK && opt.Verbose:
			p.printf("  %s  %-*s  %s\n", paint("32", "ok"), width, termsafe.String(t.Name), termsafe.String(t.Expected))
		case !t.OK:
			p.printf("%s %s:%d: %s\n", paint("31", "FAIL"), termsafe.String(t.Spec), t.Line, termsafe.String(t.Name))
			p.printf("       expected  %s\n", termsafe.String(t.Expected))
			p.printf("       got       %s\n", termsafe.String(t.Got))
			if t.Trace != nil && p.err == nil {
				p.err = t.Trace.Text(w, "       ")
			}
		}
	}
	word := "passed"
	total := r.Passed + r.Failed
	count := fmt.Sprintf("%d of %d tests %s", r.Passed, total, word)
	if r.Failed > 0 {
		count = paint("31", fmt.Sprintf("%d of %d tests failed", r.Failed, total))
	}
	p.printf("%s in %.2f s\n", count, r.Elapsed.Seconds())
	return p.err
}

// width is that of the longest name in the spec of test i, within reason.
func (r *Report) width(i int) int {
	n := 0
	for _, t := range r.Results[i:] {
		if t.Spec == r.Results[i].Spec {
			n = max(n, len(t.Name))
		}
	}
	return min(n, 60)
}

// Text writes how a network that was kept is looked at and removed.
func (k Kept) Text(w io.Writer) error {
	p := &printer{w: w}
	p.printf("%s: the network stays, held by process %d. Look at it:\n", termsafe.String(k.Spec), k.Pid)
	for _, h := range k.Hosts {
		args := []string{"sh"}
		if h == RouterName {
			args = []string{"iptables", "-nvL"}
		}
		p.printf("  %s\n", k.Command(h, args...))
	}
	p.printf("and remove it:\n  kill %d\n", k.Pid)
	return p.err
}

// printer writes until something fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
