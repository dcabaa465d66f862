package apply

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// jail is what a program like fail2ban, but of no known name, does to a host.
const jail = `
ipset create banned hash:ip; ipset add banned 192.0.2.66
IPT -N gate-sshd
IPT -A gate-sshd -m set --match-set banned src -j REJECT
IPT -A gate-sshd -j RETURN
IPT -I INPUT -p tcp -m multiport --dports 22 -j gate-sshd
IPT -A INPUT -s 198.51.100.0/24 -j gate-sshd
`

func TestForeignContent(t *testing.T) {
	for _, ipt := range []string{"iptables-nft", "iptables-legacy"} {
		t.Run(ipt, func(t *testing.T) {
			onHost(t, func(h *host) {
				script := strings.ReplaceAll("IPT -P INPUT DROP; IPT -A INPUT -i lo -j ACCEPT; IPT -A INPUT -p tcp --dport 22 -j ACCEPT", "IPT", ipt)
				a, b := h.built(script), h.built(script+"; "+ipt+" -A INPUT -p icmp -j ACCEPT; ipset create ours hash:ip")
				h.applied(a)
				h.sh(strings.ReplaceAll(jail, "IPT", ipt))
				before := h.saves()

				_, err := h.apply(b)
				var foreign *ForeignError
				if !errors.As(err, &foreign) || len(foreign.Foreign) != 4 {
					t.Errorf("foreign content passed: %v", err)
				}
				if diff := cmp.Diff(before, h.saves()); diff != "" {
					t.Errorf("a refused apply left a trace:\n%s", diff)
				}

				r := h.applied(b, keep("gate-*"))
				if len(r.ForeignKept) != 4 {
					t.Errorf("kept %v", r.ForeignKept)
				}
				got := h.sh(ipt + "-save -t filter | grep -E '^-A INPUT'; ipset list banned | tail -1")
				want := `-A INPUT -p tcp -m multiport --dports 22 -j gate-sshd
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -s 198.51.100.0/24 -j gate-sshd
192.0.2.66
`
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the jail's rules (-want +got):\n%s", diff)
				}
				st, err := Inspect(h.ctx, h.options())
				h.must(err)
				if len(st.Drift) != 0 || len(st.Foreign) != 4 {
					t.Errorf("status %+v", st)
				}
				// Going back keeps what the generations kept.
				_, err = Rollback(h.ctx, Previous, h.options())
				h.must(err)
				if out := h.sh(ipt + "-save"); !strings.Contains(out, "-A gate-sshd -m set --match-set banned src") || strings.Contains(out, "-p icmp") {
					t.Errorf("after the rollback:\n%s", out)
				}
				r = h.applied(b, replace)
				h.is(b)
				if len(r.ForeignLost) != 4 {
					t.Errorf("lost %v", r.ForeignLost)
				}
			})
		})
	}
}

func TestForeignNativeTable(t *testing.T) {
	onHost(t, func(h *host) {
		h.sh("nft add table inet theirs; nft add chain inet theirs c; nft add rule inet theirs c counter accept")
		a := h.built(scriptA)
		_, err := h.apply(a)
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Foreign[0].Kind != "table" {
			t.Errorf("a foreign table passed: %v", err)
		}
		handles := h.sh("nft -a list table inet theirs")
		h.applied(a, keep("their*"))
		if got := h.sh("nft -a list table inet theirs"); got != handles {
			t.Errorf("the kept table was touched:\n%s", got)
		}
		h.sh("nft add rule inet mine in tcp dport 1 drop")
		if _, err := h.apply(h.built(scriptB), keep("their*")); !errors.As(err, &foreign) || foreign.Foreign[0].Kind != "rule" {
			t.Errorf("a foreign rule in our table passed: %v", err)
		}
		h.applied(h.built(":"), replace)
		if got := h.sh("nft list tables"); got != "" {
			t.Errorf("left: %s", got)
		}
	})
}

func TestDriftIsNamed(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built("iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; iptables -A INPUT -p udp -j DROP"))
		h.sh("iptables -D INPUT -p icmp -j ACCEPT; iptables -I INPUT -s 192.0.2.1 -j ACCEPT; iptables -P INPUT ACCEPT")
		st, err := Inspect(h.ctx, h.options())
		h.must(err)
		var got []string
		for _, c := range st.Drift {
			got = append(got, string(c.Kind)+" "+string(c.Subject)+" "+c.Old+">"+c.New)
		}
		want := []string{"changed policy DROP>ACCEPT", "added rule >-s 192.0.2.1/32 -j ACCEPT", "removed rule -p icmp -j ACCEPT>"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("drift (-want +got):\n%s", diff)
		}
	})
}

func TestCheckUndoes(t *testing.T) {
	for _, tt := range []struct {
		name, check string
		timeout     time.Duration
		ok          bool
	}{
		{"passes", "iptables -C INPUT -p tcp --dport 22 -j ACCEPT", 0, true},
		{"leaves something behind", "sleep 60 & true", 0, true},
		{"fails", "echo no good; exit 3", 0, false},
		{"hangs", "sleep 60 & sleep 60", 200 * time.Millisecond, false},
		{"floods", "yes", 300 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				h.sh("iptables -N empty")
				before := h.saves()
				a := h.built("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -t nat -A POSTROUTING -j MASQUERADE")
				_, err := h.apply(a, keep("empty"), func(o *Options) { o.Check, o.CheckTimeout = tt.check, tt.timeout })
				if tt.ok {
					h.must(err)
					return
				}
				var refused *CheckError
				if !errors.As(err, &refused) || !errors.Is(err, ErrUndone) || len(refused.Output) > maxCheckOutput {
					t.Errorf("error %v", err)
				}
				if diff := cmp.Diff(before, h.saves()); diff != "" {
					t.Errorf("not undone:\n%s", diff)
				}
			})
		})
	}
}

func TestTrialFindsWhatTheHostCannotLoad(t *testing.T) {
	bad := []*ruleset.Snapshot{
		snap(t, head+"-A INPUT -m set --match-set none src -j DROP\nCOMMIT\n", ""),
		snap(t, "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --helper nosuch\nCOMMIT\n", ""),
	}
	onHost(t, func(h *host) {
		h.applied(h.built(scriptA))
		before := h.saves()
		for _, s := range bad {
			_, err := h.apply(s)
			var trial *TrialError
			var load *netfilter.LoadError
			if !errors.As(err, &trial) || !errors.As(err, &load) || errors.Is(err, ErrUndone) {
				t.Errorf("%s: error %v", s.Dumps[0].Text, err)
			}
		}
		_, err := h.apply(h.built(":", ruleset.Sysctl{Key: "net.ipv4.conf.none9.forwarding", Value: "1"}))
		var trial *TrialError
		if !errors.As(err, &trial) {
			t.Errorf("a sysctl that is not there: %v", err)
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("a trial left a trace:\n%s", diff)
		}
	})
}

// TestObjectsDecide applies a rule over one that a save prints alike and the
// kernel does not hold alike.
func TestObjectsDecide(t *testing.T) {
	onHost(t, func(h *host) {
		h.sh("iptables-legacy -A INPUT -p tcp -m tcp ! --dport 0:65535 -j ACCEPT") // never matches, and is saved without it
		a := h.built("iptables-legacy -A INPUT -p tcp -m tcp -j ACCEPT")
		if _, err := h.apply(a); !errors.Is(err, ErrNoWayBack) {
			t.Errorf("without a way back: %v", err)
		}
		if r := h.applied(a, replace); r.Result != Applied {
			t.Errorf("taken for the same: %+v", r)
		}
		if r := h.applied(a); r.Result != Unchanged {
			t.Errorf("a second time: %+v", r)
		}
	})
}

func TestTwoAtOnce(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built(scriptA)
		s, err := open(h.ctx, h.dir, 0)
		h.must(err)
		began := time.Now()
		_, err = h.apply(a, func(o *Options) { o.LockWait = 200 * time.Millisecond })
		if took := time.Since(began); !errors.Is(err, ErrBusy) || took > 5*time.Second {
			t.Errorf("the lock did not hold: %v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(h.ctx, 100*time.Millisecond)
		defer cancel()
		if _, err := open(ctx, h.dir, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cancelled wait: %v", err)
		}
		s.close()
		h.applied(a)
	})
}

func TestInterrupted(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built(scriptA))
		before := h.saves()
		ctx, cancel := context.WithCancel(h.ctx)
		h.ctx = ctx
		b := h.built(scriptB)
		h.withFault(func(point string) error {
			if point == "tables ip6tables" {
				cancel()
			}
			return nil
		}, func() {
			if _, err := h.apply(b); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUndone) {
				t.Errorf("error %v", err)
			}
		})
		h.ctx = context.Background()
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not undone:\n%s", diff)
		}
	})
}

func TestDryRunLeavesNothing(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built(scriptA)
		c := candidate{ours: a, generation: Generation{Digest: "d"}}
		r, err := dryRun(h.ctx, c, h.options())
		h.must(err)
		if r.Result != Planned || len(r.Changes) == 0 || r.Plan == nil {
			t.Errorf("result %+v", r)
		}
		if _, err := os.Stat(h.dir); !os.IsNotExist(err) {
			t.Errorf("a plan made a state directory: %v", err)
		}
		h.is(&ruleset.Snapshot{})
	})
}
