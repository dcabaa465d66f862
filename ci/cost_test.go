package ci_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

func members(n, from int) ci.Side {
	s := ruleset.Set{Name: "bad", Type: "hash:ip", Options: "family inet"}
	for i := from; i < from+n; i++ {
		s.Members = append(s.Members, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	return ci.Side{Snapshot: ruleset.New(nil, nil, []ruleset.Set{s}, nil)}
}

// TestMembersAreBatched holds the reports of a set with 10,000 other members
// to a few lines, with the JSON naming each.
func TestMembersAreBatched(t *testing.T) {
	r := ci.New(members(10_000, 0), members(10_000, 9_990))
	var text, md, js bytes.Buffer
	for _, err := range []error{r.Text(&text, ci.TextOptions{}), r.Markdown(&md, ci.MarkdownOptions{}), r.JSON(&js)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(text.String(), "\n"); n > 30 {
		t.Errorf("%d lines of text", n)
	}
	for _, want := range []string{"9,990 set members added, 9,990 removed", "… and 9,966 more, 9,990 in all"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if n := strings.Count(md.String(), "\n"); n > 80 {
		t.Errorf("%d lines of Markdown", n)
	}
	if len(r.Structure) != 2 || len(r.Structure[0].OldMembers) != 9990 || len(r.Structure[1].NewMembers) != 9990 {
		t.Errorf("%d items", len(r.Structure))
	}
	validate(t, js.Bytes())
}

func chain(n int, net string) ci.Side {
	c := ruleset.Chain{Name: "FORWARD", Policy: "DROP"}
	for i := range n {
		c.Rules = append(c.Rules, ruleset.Rule{Text: fmt.Sprintf("-s %s.%d.%d/32 -m comment --comment \"| `x` <b>\" -j ACCEPT", net, i>>8, i&255)})
	}
	return ci.Side{Snapshot: ruleset.New(nil, []ruleset.Table{{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: "filter", Chains: []ruleset.Chain{c}}}, nil, nil)}
}

// TestCommentLimit holds the Markdown of a rewrite of 20,000 rules to GitHub's
// limit, with a note on what is missing above what is there.
func TestCommentLimit(t *testing.T) {
	start := time.Now()
	r := ci.New(chain(20_000, "10.0"), chain(20_000, "10.1"))
	var md bytes.Buffer
	if err := r.Markdown(&md, ci.MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Logf("report and Markdown of 20,000 rewritten rules: %v, %d bytes", time.Since(start), md.Len())
	if md.Len() > ci.CommentLimit || md.Len() < ci.CommentLimit*9/10 {
		t.Errorf("%d bytes, the limit is %d", md.Len(), ci.CommentLimit)
	}
	note, details := strings.Index(md.String(), "Cut to fit a comment"), strings.Index(md.String(), "<details>")
	if note < 0 || note > details {
		t.Errorf("note at %d, details at %d", note, details)
	}
	if !strings.HasSuffix(md.String(), "more lines @@\n```\n\n</details>\n\n") {
		t.Errorf("ends with %q", md.String()[md.Len()-80:])
	}
}

func BenchmarkReport(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000, 20_000, 100_000} {
		old, new := chain(n, "10.0"), chain(n, "10.1")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var out bytes.Buffer
				r := ci.New(old, new)
				if err := r.Text(&out, ci.TextOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestManyRegions holds the Markdown of 500 regions to GitHub's limit: the
// table stays short, the details have what fits, and the rules their share.
func TestManyRegions(t *testing.T) {
	r := ci.New(chain(500, "10.0"), chain(500, "10.1"))
	r.Packets = &ci.Packets{Changed: true}
	for i := range 500 {
		rules := []ci.Decider{{Table: "filter", Chain: "FORWARD", Index: i + 1, Text: "-j ACCEPT --comment " + strings.Repeat("x", 60)}}
		r.Packets.Regions = append(r.Packets.Regions, ci.Region{Journey: "forward", Family: "ip", Change: []packets.Change{packets.Allowed, packets.Blocked, packets.Other}[i%3],
			Old: "dropped", New: "accepted", Match: fmt.Sprintf("tcp  any → 10.0.0.1:%d  in eth0", i), OldRules: rules, NewRules: rules})
	}
	var md bytes.Buffer
	if err := r.Markdown(&md, ci.MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	text := md.String()
	if md.Len() > ci.CommentLimit || md.Len() < ci.CommentLimit*9/10 {
		t.Errorf("%d bytes, the limit is %d", md.Len(), ci.CommentLimit)
	}
	for _, want := range []string{"**Packets: 167 newly allowed, 167 newly blocked, 166 changed otherwise**", "**Newly blocked** (167)", "| | … and 159 more | |", "| | … and 158 more | |", "Cut to fit a comment",
		"The rules that decide", "<code>ip filter</code>", "| `ip filter` `FORWARD`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "\n@@ newly allowed"); n < 60 {
		t.Errorf("the rules of %d regions", n)
	}
	if n := strings.Count(text, "\n- "); n < 150 {
		t.Errorf("%d lines with what was", n)
	}
}
