package lab_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/lab"
	"github.com/fwc-dev/fwc/ruleset"
)

func TestCoverageHTML(t *testing.T) {
	rules := []ruleset.Rule{
		{Text: "-j A", Source: ruleset.Position{File: "fw.sh", Line: 2}},
		{Text: "-j B", Source: ruleset.Position{File: "fw.sh", Line: 3}},
		{Text: "-j <q>", Source: ruleset.Position{File: "fw.sh", Line: 3}},
		{Text: "-j \u202eD", Source: ruleset.Position{File: "other.sh", Line: 1}},
		{Text: "-j E", Source: ruleset.Position{File: "fw.sh", Line: 4}},
	}
	snap := ruleset.New(nil, []ruleset.Table{{Family: ruleset.IPv4, Backend: ruleset.NFT, Name: "filter",
		Chains: []ruleset.Chain{{Name: "INPUT", Policy: "ACCEPT", Rules: rules}}}}, nil, nil)
	c := lab.NewCoverage(snap)
	c.Chains[0].Rules[0].Packets = 5
	c.Chains[0].Rules[1].Packets = 2
	var b bytes.Buffer
	script := "#!/bin/sh\niptables A\nfor i in 1 2; do <&>; done\niptables E\r\nexit\x1b[31m"
	if err := c.HTML(&b, lab.CoverageSource{Title: "fw.artifact", Script: "fw.sh", Text: []byte(script)}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		`<div><i>1</i><b></b>#!/bin/sh</div>`,
		`<div class="met" title="1 of 1 rules met"><i>2</i><b>5</b>iptables A</div>`,
		`<div class="part" title="1 of 2 rules met"><i>3</i><b>2</b>for i in 1 2; do &lt;&amp;&gt;; done</div>`,
		`<div class="unmet" title="0 of 1 rules met"><i>4</i><b>0</b>iptables E</div>`,
		`<tr class="unmet"><td>0</td><td>other.sh:1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.ContainsAny(page, "\x1b\u202e") || strings.Contains(page, "<q>") {
		t.Error("the page has what could deceive a reader")
	}
}
