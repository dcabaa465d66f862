package ci_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ci"
)

// TestProof writes proofs of all kinds in each format.
func TestProof(t *testing.T) {
	a, err := txtar.ParseFile("testdata/packets.txtar")
	if err != nil {
		t.Fatal(err)
	}
	old, new := sides(t, a)
	r := ci.New(old, new)
	if err := r.ComparePackets(t.Context(), old, new); err != nil {
		t.Fatal(err)
	}
	if len(r.Packets.Compared) != len(r.Packets.Regions) || len(r.Packets.Regions) < 3 {
		t.Fatalf("%d regions, of %d", len(r.Packets.Regions), len(r.Packets.Compared))
	}
	side := func(claimed, seen string) *ci.ProofSide {
		return &ci.ProofSide{Claimed: claimed, Seen: seen, Agrees: claimed == seen}
	}
	proofs := make([]ci.Proof, len(r.Packets.Regions))
	for i := range proofs {
		proofs[i] = ci.Proof{Agrees: true, Old: side("dropped", "dropped"), New: side("accepted", "accepted"), Sent: "tcp 192.0.2.1:1 > 192.0.2.2:2"}
	}
	proofs[1] = ci.Proof{NotProved: "it depends on -m time <b>"}
	proofs[2] = ci.Proof{Old: side("dropped", "accepted"), New: side("accepted", "accepted")}
	r.Packets.AddProofs(proofs)
	if got := *r.Packets.Proof; got != (ci.Proofs{Proved: len(proofs) - 2, NotProved: 1, Disagree: 1}) {
		t.Errorf("counted %+v", got)
	}

	var text, markdown, page, doc bytes.Buffer
	if err := r.Text(&text, ci.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Markdown(&markdown, ci.MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&page, ci.HTMLOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&doc); err != nil {
		t.Fatal(err)
	}
	for format, c := range map[string]struct {
		text string
		want []string
	}{
		"text": {text.String(), []string{"\nproof: 4 of 6 examples sent through both firewalls fared as claimed, 1 could not be proved; THE KERNEL DISAGREES with 1, a bug of fwc\n",
			"      kernel  as claimed: dropped → accepted\n", "      kernel  not proved: it depends on -m time <b>\n",
			"      kernel  DISAGREES: old firewall claimed dropped, kernel accepted\n"}},
		"markdown": {markdown.String(), []string{"**4 of 6 examples", "kernel: as claimed: dropped → accepted", "kernel: DISAGREES"}},
		"html":     {page.String(), []string{"<dt>kernel</dt><dd>as claimed: dropped → accepted</dd>", `<dd class="wrong">DISAGREES`, "-m time &lt;b&gt;", "4 of 6 examples"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s lacks %q:\n%s", format, want, c.text)
			}
		}
	}
	validate(t, doc.Bytes())
	var back struct {
		Packets struct {
			Proof   ci.Proofs
			Regions []struct{ Proof *ci.Proof }
		}
	}
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Packets.Proof.Disagree != 1 || back.Packets.Regions[1].Proof.NotProved == "" || !back.Packets.Regions[0].Proof.Agrees || back.Packets.Regions[2].Proof.Old.Seen != "accepted" {
		t.Errorf("read back as %+v", back.Packets)
	}
}
