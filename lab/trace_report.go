package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// TraceReportSchema is TraceReport.Schema; schema/trace.v1.json describes it. No
// field is ever lost within v1.
const TraceReportSchema = "fwc.trace/v1"

// TraceReport is what fwc trace says of a packet.
type TraceReport struct {
	Schema  string   `json:"schema"`
	File    string   `json:"file"`
	Packet  string   `json:"packet"`
	Journey string   `json:"journey"` // input, forward, output
	State   string   `json:"state"`
	Assumed []string `json:"assumed"`
	Verdict string   `json:"verdict"`        // accepted, dropped, rejected
	With    string   `json:"with,omitempty"` // the answer of a REJECT
	// By is the hop that decided, if a rule or policy did.
	By *Hop `json:"by,omitempty"`
	// Result is the packet as it left by Out, or was delivered to the firewall's
	// own programs.
	Delivered bool   `json:"delivered"`
	Out       string `json:"out,omitempty"`
	Result    string `json:"result,omitempty"`
	Mark      uint32 `json:"mark,omitempty"`
	Paths     []Path `json:"paths"`

	Lost bool `json:"lost,omitempty"` // the kernel told more than there was room for

	trace *Trace
	sent  string // the packet in the words of Result
}

// NewTraceReport puts together what a plan of a file's firewall came to.
func NewTraceReport(file string, plan *TracePlan, res *TraceResult) *TraceReport {
	r := &TraceReport{Schema: TraceReportSchema, File: file, Packet: plan.Packet.String(), Journey: plan.Journey, State: plan.State,
		Assumed: append([]string{}, plan.Assumed...), Verdict: string(res.Verdict), With: res.With, Delivered: res.Delivered,
		Result: res.Packet, Mark: res.Mark, Paths: append([]Path{}, res.Trace.Paths...), trace: &res.Trace,
		Lost: res.Trace.Lost}
	p := &plan.Packet
	r.sent = Packet{Src: p.Src, Dst: p.Dst, Proto: p.Proto, SPort: p.SPort, DPort: p.DPort, ICMPType: p.ICMPType, ICMPCode: p.ICMPCode,
		Flags: p.Flags, TOS: p.TOS}.String()
	if r.State == "" {
		r.State = "new"
	}
	if !res.Delivered {
		r.Out = res.Out
	}
	r.By = res.Trace.Decided(res.Verdict)
	return r
}

// JSON writes the report for programs.
func (r *TraceReport) JSON(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // a packet's words have a >
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Text writes the report for people: what was assumed, the packets' ways, and what
// became of it.
func (r *TraceReport) Text(out io.Writer) error {
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
func (r *TraceReport) conclusion() string {
	var b strings.Builder
	b.WriteString(r.Verdict)
	if r.With != "" {
		b.WriteString(" with " + r.With)
	}
	switch {
	case r.By != nil:
		b.WriteString(" by " + r.By.Where())
	case r.Verdict != string(Accepted):
		b.WriteString(", but by no rule that the kernel told of")
	}
	switch {
	case r.Delivered:
		b.WriteString("; delivered to the firewall's own programs")
	case r.Out != "":
		b.WriteString("; left by " + r.Out)
	}
	if r.Result != "" && r.Result != r.sent {
		b.WriteString(" as " + r.Result)
	}
	if r.Mark != 0 {
		fmt.Fprintf(&b, ", mark 0x%x", r.Mark)
	}
	return b.String()
}
