//go:build !host

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
	"github.com/fwc-dev/fwc/lab"
)

// traceReport is the JSON of fwc trace, schema fwc.trace/v1.
type traceReport struct {
	Schema  string   `json:"schema"`
	File    string   `json:"file"`
	Packet  string   `json:"packet"`
	Journey string   `json:"journey"` // input, forward, output
	State   string   `json:"state"`
	Assumed []string `json:"assumed"`
	Verdict string   `json:"verdict"`        // accepted, dropped, rejected
	With    string   `json:"with,omitempty"` // the answer of a REJECT
	// By is the hop that decided, if a rule or policy did.
	By *lab.Hop `json:"by,omitempty"`
	// Result is the packet as it left by Out, or was delivered to the firewall's
	// own programs.
	Delivered bool       `json:"delivered"`
	Out       string     `json:"out,omitempty"`
	Result    string     `json:"result,omitempty"`
	Mark      uint32     `json:"mark,omitempty"`
	Paths     []lab.Path `json:"paths"`

	trace *lab.Trace
}

func newTraceReport(file string, plan *lab.TracePlan, res *lab.TraceResult) *traceReport {
	r := &traceReport{Schema: "fwc.trace/v1", File: file, Packet: plan.Packet.String(), Journey: plan.Journey, State: plan.State,
		Assumed: append([]string{}, plan.Assumed...), Verdict: string(res.Verdict), With: res.With, Delivered: res.Delivered,
		Result: res.Packet, Mark: res.Mark, Paths: append([]lab.Path{}, res.Trace.Paths...), trace: &res.Trace}
	if r.State == "" {
		r.State = "new"
	}
	if !res.Delivered {
		r.Out = res.Out
	}
	r.By = res.Trace.Decided(res.Verdict)
	return r
}

func (r *traceReport) json(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // a packet's words have a >
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *traceReport) text(out io.Writer) error {
	for _, a := range r.Assumed {
		if _, err := fmt.Fprintln(out, termsafe.String("assumed: "+a)); err != nil {
			return err
		}
	}
	if len(r.Assumed) > 0 {
		fmt.Fprintln(out)
	}
	if len(r.Paths) == 0 {
		fmt.Fprintln(out, termsafe.String(r.Packet+"\n  meets no rule and no policy"))
	}
	if err := r.trace.Text(out, ""); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", termsafe.String(r.conclusion()))
	return err
}

// conclusion is what became of the packet, in a sentence.
func (r *traceReport) conclusion() string {
	var b strings.Builder
	b.WriteString(r.Verdict)
	if r.With != "" {
		b.WriteString(" with " + r.With)
	}
	switch {
	case r.By != nil:
		b.WriteString(" by " + r.By.Where())
	case r.Verdict != string(lab.Accepted):
		b.WriteString(", but by no rule that the kernel told of")
	}
	switch {
	case r.Delivered:
		b.WriteString("; delivered to the firewall's own programs")
	case r.Out != "":
		b.WriteString("; left by " + r.Out)
	}
	if r.Result != "" && !strings.HasPrefix(r.Packet, r.Result) {
		b.WriteString(" as " + r.Result)
	}
	if r.Mark != 0 {
		fmt.Fprintf(&b, ", mark 0x%x", r.Mark)
	}
	return b.String()
}
