package ci_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/fwc-dev/fwc/ci"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/dump"
	"github.com/fwc-dev/fwc/ruleset/packets"
)

// strict is a written schema that takes no field which it does not name: one
// that nobody wrote down is none to count on.
func strict(t *testing.T, name string, written []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	var close func(v any)
	close = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				close(x)
			}
		case map[string]any:
			_, has := v["properties"]
			_, open := v["additionalProperties"]
			if has && !open {
				v["additionalProperties"] = false
			}
			for key, x := range v {
				// What is put together of parts has its fields in several.
				if key != "allOf" && key != "if" && key != "then" && key != "else" {
					close(x)
				}
			}
		}
	}
	close(doc)
	if defs, ok := doc.(map[string]any)["$defs"].(map[string]any); ok && name == "lint.v1.json" {
		delete(defs["rule"].(map[string]any), "additionalProperties")
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// schemas are held to many reports.
type schemas struct {
	diff, lint *jsonschema.Schema
	reports    int
	regions    int
}

func (s *schemas) hold(t *testing.T, schema *jsonschema.Schema, name string, report []byte) {
	t.Helper()
	s.reports++
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Errorf("%s: the report is not what the schema says: %v", name, err)
	}
}

// pair holds the report of two sides, with proofs of its examples, and the
// lints of both to the schemas; what is rendered from the JSON must be what is
// rendered from the report.
func (s *schemas) pair(t *testing.T, name string, old, new ci.Side) {
	t.Helper()
	r := ci.New(old, new)
	if err := r.ComparePackets(t.Context(), old, new); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if r.Packets != nil {
		s.regions += len(r.Packets.Regions)
		proofs := make([]ci.Proof, len(r.Packets.Regions))
		for i := range proofs {
			side := ci.ProofSide{Claimed: r.Packets.Regions[i].Old, Seen: "dropped"}
			proofs[i] = []ci.Proof{{Agrees: true, Old: &side, New: &side, Sent: "tcp"}, {NotProved: "it depends"}, {Old: &side, New: &side}}[i%3]
		}
		r.Packets.AddProofs(proofs)
	}
	var js, text, again bytes.Buffer
	if err := r.JSON(&js); err != nil {
		t.Fatal(err)
	}
	s.hold(t, s.diff, name, js.Bytes())
	var back ci.Report
	if err := json.Unmarshal(js.Bytes(), &back); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, err := range []error{r.Text(&text, ci.TextOptions{}), back.Text(&again, ci.TextOptions{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text.String() != again.String() {
		t.Errorf("%s: the text from the JSON is another:\n%s\n%s", name, &text, &again)
	}
	for i, side := range []ci.Side{old, new} {
		l, err := ci.NewLint(t.Context(), side, ci.LintOptions{Dump: i == 0})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var js bytes.Buffer
		if err := l.JSON(&js); err != nil {
			t.Fatal(err)
		}
		s.hold(t, s.lint, name, js.Bytes())
	}
}

// TestSchemas holds the written schemas to the reports of every two sides of
// testdata, of random changes to random rules, and of a corpus of real dumps
// without every tenth rule, if FWC_CORPUS has one.
func TestSchemas(t *testing.T) {
	s := &schemas{diff: strict(t, "diff.v1.json", ci.Schema), lint: strict(t, "lint.v1.json", ci.LintSchema)}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	all := map[string]ci.Side{}
	var names []string
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(file)
		names = append(names, base+" old", base+" new")
		all[base+" old"], all[base+" new"] = sides(t, a)
	}
	names, all["nothing"] = append(names, "nothing"), ci.Side{}
	for _, a := range names {
		for _, b := range names {
			s.pair(t, a+", "+b, all[a], all[b])
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i := range 60 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		rules := randomRules(rnd, 12)
		s.pair(t, fmt.Sprintf("seed %d round %d", seed, i), randomSide(t, rules), randomSide(t, changedRules(rnd, rules)))
	}
	// A table that packets of a chain cannot be followed in.
	loop := randomSide(t, []string{":a -", ":b -", "-A INPUT -j a", "-A a -j b", "-A b -j a"})
	s.pair(t, "a loop", loop, randomSide(t, nil))
	if s.regions < 100 {
		t.Errorf("only %d regions: the test shows little", s.regions)
	}
	corpusSchemas(t, s)
	t.Logf("%d reports, %d regions", s.reports, s.regions)
}

func randomRules(r *rand.Rand, n int) []string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	rules := []string{":own -"}
	for range n {
		chain := pick("INPUT", "FORWARD", "OUTPUT", "own")
		rule := "-A " + chain + pick("", " -s 10.0.0.0/8", " ! -s 192.0.2.1/32", " -d 10.1.0.0/16", " -d 192.0.2.0/255.255.0.255") +
			map[string]string{"INPUT": pick("", " -i eth0", " ! -i lo"), "FORWARD": pick("", " -i eth+ -o wan0"), "OUTPUT": pick("", " -o eth1"), "own": ""}[chain] +
			pick("", " -p tcp -m tcp --dport 22", " -p udp -m udp --sport 53", " -p icmp -m icmp --icmp-type 8", " -p tcp -m tcp --tcp-flags SYN,RST SYN", " -m mac --mac-source 02:00:00:00:00:01",
				" -m mark --mark 0x1/0x3", " -m connmark --mark 0x2", " -m ttl --ttl-lt 9", " -m length --length 100:200", " -m tos --tos 0x10/0x3f", " -m pkttype --pkt-type broadcast", " -p 47") +
			pick("", "", " -m conntrack --ctstate NEW", " -m conntrack --ctstate RELATED,ESTABLISHED", " -m limit --limit "+pick("5", "9")+"/min", " -m owner --uid-owner 33", " -m conntrack --ctstate DNAT --ctdir REPLY")
		if chain != "own" && r.IntN(5) == 0 {
			rule += " -j own"
		} else {
			rule += pick(" -j ACCEPT", " -j DROP", " -j REJECT --reject-with icmp-port-unreachable", " -j RETURN", " -j LOG", "")
		}
		rules = append(rules, rule)
	}
	return rules
}

func changedRules(r *rand.Rand, rules []string) []string {
	out := append([]string(nil), rules...)
	fresh := randomRules(r, 3)[1:]
	for _, f := range fresh {
		switch at := 1 + r.IntN(len(out)-1); r.IntN(3) {
		case 0:
			out[at] = f
		case 1:
			out = append(out[:at], append([]string{f}, out[at:]...)...)
		default:
			other := 1 + r.IntN(len(out)-1)
			out[at], out[other] = out[other], out[at]
		}
	}
	return out
}

func randomSide(t *testing.T, rules []string) ci.Side {
	t.Helper()
	nat := "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	if n := len(rules); n > 0 {
		nat += fmt.Sprintf("-A PREROUTING -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.%d:8080\n", 1+len(rules[n-1])%3)
	}
	text := nat + "COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
	return sideOf(t, ruleset.Dump{Kind: ruleset.IPTables, Backend: ruleset.NFT, Text: []byte(strings.ReplaceAll(text, "\n\n", "\n"))})
}

func sideOf(t *testing.T, d ruleset.Dump) ci.Side {
	t.Helper()
	snap, err := dump.Snapshot([]ruleset.Dump{d})
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Text)
	}
	return ci.Side{Name: "a", Snapshot: snap}
}

func corpusSchemas(t *testing.T, s *schemas) {
	dir := os.Getenv("FWC_CORPUS")
	if dir == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.save[46]"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dumps in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(text, []byte("\n")) > 150 {
			continue // the large ones take their time, and say nothing else
		}
		kind, family := ruleset.IPTables, ruleset.IPv4
		if strings.HasSuffix(file, "6") {
			kind, family = ruleset.IP6Tables, ruleset.IPv6
		}
		var less []string
		for i, l := range strings.Split(string(text), "\n") {
			if i%10 != 9 || !strings.HasPrefix(l, "-A ") {
				less = append(less, l)
			}
		}
		old, err := dump.Snapshot([]ruleset.Dump{{Kind: kind, Backend: ruleset.NFT, Text: text}})
		if err != nil {
			continue // the corpus holds what iptables refuses, too
		}
		if _, err := packets.New(old, family); err != nil {
			continue
		}
		s.pair(t, filepath.Base(file), ci.Side{Name: "a", Snapshot: old}, sideOf(t, ruleset.Dump{Kind: kind, Backend: ruleset.NFT, Text: []byte(strings.Join(less, "\n"))}))
	}
}
