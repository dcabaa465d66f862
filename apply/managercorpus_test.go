package apply

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// corpusDir finds dumps of real hosts, which are no part of this repository.
func corpusDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("FWC_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of dumps: %v; FWC_CORPUS names its directory", err)
	}
	return dir
}

// hostDumps are firewalls of hosts with managers. lost is how many things in
// each nobody vouches for, keep is what then vouches for them.
var hostDumps = []struct {
	file   string
	lost   int
	keep   Keep
	legacy bool // on that backend too
}{
	{file: "107-calico-cali.save4", legacy: true},
	{file: "108-calico-kube.save4"},
	{file: "109-moby-bridge-a.save4"},
	{file: "110-moby-bridge-b.save4"},
	{file: "111-moby-bridge-c.save4"},
	{file: "112-moby-bridge-a-v6.save6"},
	{file: "113-moby-bridge-b-v6.save6", legacy: true},
	// The rules for the address of Azure's agents are the cloud's, not npm's.
	{file: "114-azure-npm.save4", lost: 1, keep: Keep{"FORWARD"}},
	{file: "116-azure-npm-v2.save4", lost: 4, keep: Keep{"FORWARD", "OUTPUT"}},
	// A host's own rules beside Docker's.
	{file: "142-c0m4r-docker.save4", lost: 6, keep: Keep{"INPUT"}, legacy: true},
	// The firewall of a pod, in which fwc has no neighbours to expect.
	{file: "117-istio-tproxy.save4", lost: 23, keep: Keep{"ISTIO_*", "PREROUTING", "OUTPUT"}},
	{file: "125-antrea-a.save4"},
	{file: "127-antrea-c.save6"},
	{file: "228-nft-calico.nft"},
	{file: "230-nft-moby.nft"},
}

var matchSet = regexp.MustCompile(`--(?:match|add|del|map)-set "?([^ "]+)`)

// loadDump loads a dump of a host, with empty sets for those that it names and
// counters that have counted.
func (h *host) loadDump(path, backend string) {
	h.t.Helper()
	text, err := os.ReadFile(path)
	h.must(err)
	load := func(command, text string) {
		cmd := exec.Command("sh", "-ec", command)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			h.fatal(fmt.Sprintf("%s: %v: %s", command, err, out))
		}
	}
	tool, family := "iptables-"+backend, "inet"
	switch filepath.Ext(path) {
	case ".nft":
		// nft 1.0.6 knows that name of a priority in one hook only.
		load("nft -f -", strings.ReplaceAll(string(text), "hook output priority dstnat", "hook output priority -100"))
		return
	case ".save6":
		tool, family = "ip6tables-"+backend, "inet6"
	}
	var names []string
	for _, m := range matchSet.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		h.sh("ipset create " + n + " hash:net family " + family)
	}
	load(tool+"-restore", string(text))
	seed := rand.Uint64()
	h.t.Logf("counters of seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var counted strings.Builder
	for line := range strings.Lines(h.sh(tool + "-save -c")) {
		if rest, ok := strings.CutPrefix(line, "[0:0] "); ok {
			line = fmt.Sprintf("[%d:%d] %s", r.IntN(1e6), r.IntN(1e9), rest)
		}
		counted.WriteString(line)
	}
	load(tool+"-restore -c", counted.String())
}

// theirs is saves without what the artifacts of these tests make, which says
// "ours" in every line, and without tables that have nothing else in them.
func (h *host) theirs() string {
	h.t.Helper()
	var kept strings.Builder
	for line := range strings.Lines(h.saves()) {
		if !strings.Contains(line, "ours") {
			kept.WriteString(line)
		}
	}
	return emptyTable.ReplaceAllString(kept.String(), "")
}

// oursA and oursB are firewalls to apply beside others.
const oursA = `
ipset create ours hash:ip; ipset add ours 192.0.2.1
ipset create ours6 hash:ip family inet6
for f in IPT:ours IPT6:ours6; do t=${f%:*} s=${f#*:}
$t -A INPUT -i lo -m comment --comment ours -j ACCEPT
$t -A INPUT -p tcp --dport 22 -m comment --comment ours -j ACCEPT
$t -A FORWARD -m set --match-set $s src -m comment --comment ours -j DROP
$t -t mangle -A FORWARD -p tcp --syn -m comment --comment ours -j TCPMSS --clamp-mss-to-pmtu
done
IPT -t nat -A POSTROUTING -o eth7 -m comment --comment ours -j MASQUERADE
`

const oursB = `
ipset create ours hash:ip; ipset add ours 192.0.2.2
ipset create ours6 hash:ip family inet6
for f in IPT:ours IPT6:ours6; do t=${f%:*} s=${f#*:}
$t -A INPUT -p tcp --dport 22 -m comment --comment ours -j ACCEPT
$t -A INPUT -i lo -m comment --comment ours -j ACCEPT
$t -A FORWARD -m set --match-set $s src -m comment --comment ours -j DROP
$t -A FORWARD -p udp -m comment --comment ours -j DROP
$t -t raw -A PREROUTING -p udp -m comment --comment ours -j CT --notrack
done
IPT -t nat -A POSTROUTING -o eth8 -m comment --comment ours -j MASQUERADE
`

func onBackend(script, backend string) string {
	return strings.ReplaceAll(strings.ReplaceAll(script, "IPT6", "ip6tables-"+backend), "IPT", "iptables-"+backend)
}

// TestManagersOfRealHosts applies beside the content of real hosts: it stays to
// the byte, in its order and with its counters, over applies and back.
func TestManagersOfRealHosts(t *testing.T) {
	dir := corpusDir(t)
	for _, tt := range hostDumps {
		backends := []string{"nft", "legacy"}
		if !tt.legacy {
			backends = backends[:1]
		}
		for _, backend := range backends {
			t.Run(tt.file+"/"+backend, func(t *testing.T) {
				onHost(t, func(h *host) {
					h.loadDump(filepath.Join(dir, tt.file), backend)
					before := emptyTable.ReplaceAllString(h.saves(), "")
					theirs := h.theirs()
					a, b := h.built(onBackend(oursA, backend)), h.built(onBackend(oursB, backend))
					if tt.lost > 0 {
						_, err := h.apply(a)
						var foreign *ForeignError
						if !errors.As(err, &foreign) || len(foreign.Foreign) != tt.lost {
							t.Errorf("%d that nobody vouches for, want %d: %v", len(foreign.Foreign), tt.lost, strs(foreign.Foreign))
						}
					}
					began := time.Now()
					for i, s := range []struct {
						want string
						do   func() (*Result, error)
					}{
						{"eth7", func() (*Result, error) { return h.apply(a, keep(tt.keep...)) }},
						{"eth8", func() (*Result, error) { return h.apply(b, keep(tt.keep...)) }},
						{"eth7", func() (*Result, error) { return Rollback(h.ctx, Previous, h.options()) }},
					} {
						r, err := s.do()
						h.must(err)
						if diff := cmp.Diff(theirs, h.theirs()); diff != "" {
							h.fatal(fmt.Sprintf("step %d changed what is not fwc's (-want +got):\n%s", i, diff))
						}
						if out := h.saves(); !strings.Contains(out, s.want) {
							t.Errorf("step %d is not in effect:\n%s", i, out)
						}
						if len(r.ForeignKept) == 0 {
							t.Errorf("step %d kept nothing that it names", i)
						}
					}
					_, err := Rollback(h.ctx, Previous, h.options())
					h.must(err)
					if diff := cmp.Diff(before, emptyTable.ReplaceAllString(h.saves(), "")); diff != "" {
						t.Errorf("not as before fwc (-want +got):\n%s", diff)
					}
					t.Logf("%d ms a step", time.Since(began).Milliseconds()/4)
				})
			})
		}
	}
}
