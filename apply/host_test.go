package apply

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/internal/netns"
	"github.com/fwc-dev/fwc/ruleset"
)

// host is a machine for one test: a throwaway namespace and a state directory.
type host struct {
	t   testing.TB
	ctx context.Context
	dir string
	n   int // artifacts made
	// window is how long what a victim applies waits for its confirmation.
	window time.Duration

	fault fault
}

// bail ends a test from inside a namespace, where runtime.Goexit, and so
// t.Fatal, would leave netns.Do waiting.
type bail struct{}

// onHost runs fn in a fresh host, beside other tests.
func onHost(t *testing.T, fn func(h *host)) {
	t.Helper()
	t.Parallel()
	inside(t, func() { fn(&host{t: t, ctx: context.Background(), dir: t.TempDir() + "/state"}) })
}

func inside(t testing.TB, fn func()) {
	t.Helper()
	if err := within(fn); err != nil {
		t.Fatal(err)
	}
}

// nested runs fn in another fresh host.
func (h *host) nested(fn func(h *host)) {
	h.t.Helper()
	h.must(within(func() { fn(&host{t: h.t, ctx: h.ctx, dir: h.dir}) }))
}

func within(fn func()) error {
	return netns.Do(func() (err error) {
		defer func() {
			switch r := recover(); r.(type) {
			case nil:
			case bail:
				err = errors.New("the test ended early")
			default:
				panic(r)
			}
		}()
		fn()
		return nil
	})
}

func (h *host) fatal(args ...any) {
	h.t.Helper()
	h.t.Error(args...)
	panic(bail{})
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.fatal(err)
	}
}

// sh runs a script on the host and returns what it printed.
func (h *host) sh(script string) string {
	h.t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		h.fatal(fmt.Sprintf("%s\n%v: %s", script, err, out))
	}
	return string(out)
}

// built returns the firewall that a script makes in a namespace of its own.
func (h *host) built(script string, sysctls ...ruleset.Sysctl) *ruleset.Snapshot {
	h.t.Helper()
	var s *ruleset.Snapshot
	err := netns.Do(func() error {
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var err error
		s, err = netfilter.Capture(h.ctx, netfilter.Scope{})
		return err
	})
	h.must(err)
	p := newParts()
	for i := range s.Tables {
		p.add(&s.Tables[i], s)
	}
	p.sets, p.sysctls = s.Sets, sysctls
	s, err = p.snapshot()
	h.must(err)
	return s
}

// apply applies a snapshot as an artifact of its own.
func (h *host) apply(s *ruleset.Snapshot, edit ...func(*Options)) (*Result, error) {
	h.t.Helper()
	h.n++
	opts := h.options(edit...)
	c := candidate{ours: s, artifact: []byte("artifact"),
		generation: Generation{Digest: fmt.Sprintf("artifact-%d", h.n), Serial: uint64(h.n)}}
	return applyCandidate(h.ctx, c, opts)
}

func (h *host) options(edit ...func(*Options)) Options {
	opts := Options{State: h.dir, fault: h.fault}
	for _, e := range edit {
		e(&opts)
	}
	return opts.withDefaults()
}

// applied applies and expects it to end well.
func (h *host) applied(s *ruleset.Snapshot, edit ...func(*Options)) *Result {
	h.t.Helper()
	r, err := h.apply(s, edit...)
	h.must(err)
	if r.Result != Applied && r.Result != Unchanged {
		h.fatal("result", r.Result)
	}
	return r
}

// is holds the live firewall to a snapshot, in every dump.
func (h *host) is(s *ruleset.Snapshot) {
	h.t.Helper()
	got := h.live(s)
	if diff := cmp.Diff(texts(s), texts(got)); diff != "" {
		h.t.Errorf("the live firewall is not as wanted (-want +got):\n%s", diff)
	}
}

func (h *host) live(like *ruleset.Snapshot) *ruleset.Snapshot {
	h.t.Helper()
	var scope netfilter.Scope
	for _, v := range like.Sysctls {
		scope.Sysctls = append(scope.Sysctls, v.Key)
	}
	got, err := netfilter.Capture(h.ctx, scope)
	h.must(err)
	return got
}

func texts(s *ruleset.Snapshot) map[string]string {
	out := map[string]string{}
	for _, d := range s.Dumps {
		out[d.Name()] = string(d.Text)
	}
	return out
}

// saves is everything the tools print, counters and all. Left out are time
// stamps, the seed of a set, and legacy tables with nothing in them, which
// nobody can remove.
func (h *host) saves() string {
	h.t.Helper()
	out := h.sh(`for c in iptables-nft-save ip6tables-nft-save arptables-nft-save ebtables-nft-save iptables-legacy-save ip6tables-legacy-save; do
		echo "== $c"; $c -c 2>/dev/null; done
		echo == sets; ipset save -s | sed 's/ initval .*//'
		nft list tables | grep -Ev ' (ip|ip6|arp|bridge) (raw|mangle|nat|filter)$' | sort | while read -r t; do nft list $t; done`)
	var kept []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "# Generated") && !strings.HasPrefix(line, "# Completed") {
			kept = append(kept, line)
		}
	}
	nft, legacy, _ := strings.Cut(strings.Join(kept, ""), "== iptables-legacy-save\n")
	return nft + "== legacy\n" + emptyTable.ReplaceAllString(legacy, "")
}

// emptyTable is a table with nothing in it in the output of a save.
var emptyTable = regexp.MustCompile(`(?m)^\*\w+\n(:\w+ ACCEPT .*\n)*COMMIT\n`)

func keep(patterns ...string) func(*Options) { return func(o *Options) { o.Keep = patterns } }
func replace(o *Options)                     { o.Replace = true }
