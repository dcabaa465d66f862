package apply

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// smallA and smallB are as small as firewalls of several tables, families and
// sets are, so that many applies take little time.
const smallA = `
ipset create bad hash:ip; ipset add bad 192.0.2.1
IPT -P INPUT DROP
IPT -A INPUT -m set --match-set bad src -j DROP
IPT -A INPUT -p tcp --dport 22 -j ACCEPT
IPT -t nat -A POSTROUTING -o eth0 -j MASQUERADE
IP6T -A INPUT -p tcp --dport 22 -j ACCEPT
`

const smallB = `
ipset create bad hash:ip; ipset add bad 192.0.2.2
ipset create more hash:net; ipset add more 198.51.100.0/24
IPT -A INPUT -p tcp --dport 22 -j ACCEPT
IPT -A INPUT -m set --match-set bad src -m set --match-set more dst -j DROP
IPT -t mangle -A FORWARD -j MARK --set-mark 1
IP6T -P FORWARD DROP
`

func small(script, backend string) string {
	return strings.NewReplacer("IPT", "iptables-"+backend, "IP6T", "ip6tables-"+backend).Replace(script)
}

// TestKillAnyInstant kills applies at 200 random instants: the next start ends on
// the old firewall or on the new one, whole.
func TestKillAnyInstant(t *testing.T) {
	for backend, rounds := range map[string]int{"nft": 120, "legacy": 80} {
		t.Run(backend, func(t *testing.T) {
			if n, err := strconv.Atoi(os.Getenv("FWC_KILLS")); err == nil {
				rounds = n
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			onHost(t, func(h *host) {
				both := []*ruleset.Snapshot{h.built(small(smallA, backend)), h.built(small(smallB, backend))}
				whole := h.duration(both[1], both[0])
				now, kept, cut := 0, 0, 0
				for range rounds {
					cmd := h.victim(both[1-now], "")
					time.Sleep(time.Duration(rnd.Int64N(int64(whole))))
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
					r, err := Recover(h.ctx, h.options())
					h.must(err)
					if r != nil {
						cut++
					}
					live := h.live(&ruleset.Snapshot{})
					g, err := Current(h.dir)
					h.must(err)
					digest, err := Snapshot(h.dir, g.Number)
					h.must(err)
					switch {
					case same(live, both[now]) && same(digest, both[now]):
					case same(live, both[1-now]) && same(digest, both[1-now]):
						now = 1 - now
						kept++
					default:
						h.fatal("neither the old nor the new firewall, generation", g.Number, h.saves())
					}
				}
				t.Logf("of %d: %d cut short and undone, %d had ended on the new firewall", rounds, cut, kept)
				if rounds >= 50 && (cut == 0 || kept == 0) {
					t.Error("the instants are not spread over the whole apply")
				}
			})
		})
	}
}

// duration applies two firewalls by processes of their own and returns a little
// more than the longer time that took.
func (h *host) duration(snapshots ...*ruleset.Snapshot) time.Duration {
	h.t.Helper()
	var longest time.Duration
	for _, s := range snapshots {
		began := time.Now()
		h.must(h.victim(s, "").Wait())
		longest = max(longest, time.Since(began))
	}
	return longest * 9 / 8
}

// moment is a host at one instant of an apply: what is on its disk, and what is
// in its kernel.
type moment struct {
	point string
	dir   string
	live  *ruleset.Snapshot
}

// TestPowerCut takes the state directory as it is at each journal write, and
// each other step, of an apply, and of one that fails; and goes on from there
// with an empty kernel, as after a power cut, and with what the kernel had, as
// after a crash.
func TestPowerCut(t *testing.T) {
	for name, edit := range map[string]func(*Options){
		"kept":    func(*Options) {},
		"undone":  func(o *Options) { o.Check = "false" },
		"waiting": confirmIn(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa, sb := h.built(small(smallA, "nft")), h.built(small(smallB, "nft"))
				now := uint64(time.Now().Unix())
				a, trust := h.signed(sa, now)
				b, trustB := h.signed(sb, now+1)
				trust.Keys = append(trust.Keys, trustB.Keys...)
				h.take(a, trust)
				var moments []moment
				accepted, err := h.accept(b, trust)
				h.must(err)
				opts := h.options(edit)
				opts.Committer = nil // with the fault below
				opts.fault = func(point string) error {
					dir := h.t.TempDir() + "/state"
					h.sh("cp -a " + h.dir + " " + dir)
					live, err := netfilter.Capture(h.ctx, netfilter.Scope{})
					moments = append(moments, moment{point, dir, live})
					return err
				}
				_, err = Apply(h.ctx, accepted, opts)
				if (err != nil) != (name == "undone") {
					h.fatal(err)
				}
				for _, pid := range h.watchdogs() {
					p, _ := os.FindProcess(pid)
					_ = p.Kill()
				}
				moments = append(moments, moment{"end", h.dir, h.live(&ruleset.Snapshot{})})
				if n := slices.IndexFunc(moments, func(m moment) bool { return m.point == "tables" }); n < 0 || len(moments) < 10 {
					t.Errorf("only %d moments", len(moments))
				}
				ends := map[string]int{}
				for i, m := range moments {
					if i == 0 || slices.Contains([]string{"generation", "write journal", "journal written", "end"}, m.point) {
						ends[h.powerCut(m, trust, sa, sb)]++ // else the disk is as it was
					}
					h.crash(m, sa, sb, name == "waiting")
				}
				if ends["old"] == 0 || (ends["new"] > 0) != (name == "kept") {
					t.Errorf("ends %v", ends)
				}
			})
		})
	}
}

// powerCut boots from a moment and says whether it came back with the old or the
// new firewall.
func (h *host) powerCut(m moment, trust verify.Trust, old, new *ruleset.Snapshot) (which string) {
	h.t.Helper()
	was := &host{t: h.t, ctx: h.ctx, dir: h.t.TempDir() + "/state"}
	h.sh("cp -a " + m.dir + " " + was.dir)
	was.reboot(func(h *host) {
		_, err := Boot(h.ctx, h.judge(trust, "", ""))
		h.must(err)
		which = h.which(m, old, new)
	})
	return which
}

// crash goes on from a moment in the kernel of that moment.
func (h *host) crash(m moment, old, new *ruleset.Snapshot, waits bool) {
	h.t.Helper()
	there := &host{t: h.t, ctx: h.ctx, dir: m.dir}
	there.nested(func(h *host) {
		h.must(netfilter.Load(h.ctx, m.live))
		_, err := Recover(h.ctx, h.options())
		h.must(err)
		if st := h.status(); st.Unfinished != nil || (st.Window != nil) && !waits {
			h.t.Errorf("at %s: status %+v", m.point, st)
		}
		h.which(m, old, new)
	})
}

func (h *host) which(m moment, old, new *ruleset.Snapshot) string {
	h.t.Helper()
	switch live := h.live(&ruleset.Snapshot{}); {
	case same(live, old):
		return "old"
	case same(live, new):
		return "new"
	}
	h.fatal("at", m.point, "neither the old nor the new firewall", h.saves())
	return ""
}

// TestKilledUnderWatch kills applies that ask for a confirmation at random
// instants: without another start the old firewall is back.
func TestKilledUnderWatch(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	onHost(t, func(h *host) {
		sa, sb := h.built(small(smallA, "nft")), h.built(small(smallB, "nft"))
		whole := h.duration(sb, sa)
		h.window = time.Second
		for range 12 {
			cmd := h.victim(sb, "")
			time.Sleep(time.Duration(rnd.Int64N(int64(whole))))
			h.must(killed(cmd))
			h.soon("the old firewall is back", 15*time.Second, func() bool {
				return h.settled() && len(h.watchdogs()) == 0
			})
			if live := h.live(&ruleset.Snapshot{}); !same(live, sa) {
				h.fatal("not the old firewall", h.saves())
			}
		}
		h.gone()
	})
}

func killed(cmd *exec.Cmd) error {
	err := cmd.Process.Kill()
	_ = cmd.Wait()
	return err
}
