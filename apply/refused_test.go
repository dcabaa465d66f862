package apply

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
)

// rated has an estimator in one table. The kernel takes no second one of that
// name with another interval, see xt_rateest_tg_checkentry in
// net/netfilter/xt_RATEEST.c, and in a transaction both are there: that the
// estimator moves between tables it refuses, and takes it table by table where
// the one that loses it comes first.
func rated(table, interval, port string) string {
	return strings.NewReplacer("TABLE", table, "INTERVAL", interval, "PORT", port).Replace(`
iptables-nft -t TABLE -A INPUT -p tcp --dport PORT -j RATEEST --rateest-name load --rateest-interval INTERVAL --rateest-ewmalog 2s
iptables-nft -t mangle -A INPUT -p tcp --dport PORT -j MARK --set-mark 1
iptables-nft -A INPUT -p tcp --dport PORT -j ACCEPT
ip6tables-nft -A INPUT -p tcp --dport PORT -j ACCEPT
`)
}

// others gives the host a chain of others', which theirRule fills.
func (h *host) others() { h.sh("iptables-nft -N THEIRS; iptables-nft -A FORWARD -j THEIRS") }

func (h *host) theirRule() { h.sh("iptables-nft -A THEIRS -s 192.0.2.7 -j DROP") }

// beside expects a firewall, in filter, with what others have put beside it.
func (h *host) beside(s *ruleset.Snapshot) {
	h.t.Helper()
	want := h.built("iptables-nft -N THEIRS; iptables-nft -A FORWARD -j THEIRS; iptables-nft -A THEIRS -s 192.0.2.7 -j DROP")
	p, err := Merge(nil, s, want, MergeOptions{Keep: Keep{"THEIRS"}})
	h.must(err)
	h.is(p.Wanted)
}

// TestRefusedTransaction applies what the kernel refuses to take in one
// transaction and takes table by table, in one order or the other.
func TestRefusedTransaction(t *testing.T) {
	onHost(t, func(h *host) {
		a, b := h.built(rated("mangle", "250ms", "22")), h.built(rated("filter", "500ms", "80"))
		h.applied(a)
		r := h.applied(b)
		const why = "each table is replaced in a transaction of its own: the kernel refuses a new rule in chain INPUT (table ip filter): invalid argument"
		if r.Transactions != 3 || r.Fallback != why {
			t.Errorf("%d transactions, %q", r.Transactions, r.Fallback)
		}
		h.is(b)
		r, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		if r.Transactions != 3 || !strings.Contains(r.Fallback, "the kernel refuses a new rule") {
			t.Errorf("back: %d transactions, %q", r.Transactions, r.Fallback)
		}
		h.is(a)
	})
}

// TestRefusedEverywhere applies what the kernel takes in no way: two estimators
// change places.
func TestRefusedEverywhere(t *testing.T) {
	crossed := func(out string) string {
		return rated("mangle", "250ms", "22") + strings.NewReplacer("load", "more").Replace(rated("filter", "500ms", "22")) +
			"iptables-nft -t nat -A POSTROUTING -o " + out + " -j MASQUERADE\n"
	}
	onHost(t, func(h *host) {
		a := h.built(crossed("eth0"))
		b := h.built(strings.NewReplacer("load", "more", "more", "load").Replace(crossed("eth1")))
		h.applied(a)
		before := h.saves()
		if _, err := h.apply(b); !errors.Is(err, ErrUndone) || !strings.Contains(err.Error(), "rateest") {
			t.Errorf("error %v", err)
		}
		h.is(a)
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
		if st := h.status(); len(st.Drift) > 0 || st.Unfinished != nil || st.Applied.Number != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// TestRefusedBesideOthers has others change their chain between the plan and the
// fallback: the programs would write over that, so it is planned again.
func TestRefusedBesideOthers(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built(rated("mangle", "250ms", "22")))
		h.others()
		b := h.built(rated("filter", "500ms", "80"))
		r := h.applied(b, keep("THEIRS"), func(o *Options) { o.Committer = &meddler{OneStep{}, 1, h.theirRule} })
		if !strings.Contains(r.Fallback, "the kernel refuses") {
			t.Errorf("fallback %q", r.Fallback)
		}
		h.beside(b)
	})
}

// TestOthersBetweenTables has them do so while tables are replaced one by one:
// the former firewall is back, with what they did.
func TestOthersBetweenTables(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built(rated("mangle", "250ms", "22"))
		h.applied(a)
		h.others()
		b := h.built(rated("filter", "500ms", "80"))
		n := 0
		h.withFault(func(point string) error {
			if point == "tables ip6tables" {
				if n++; n == 2 { // first comes the attempt in one transaction
					h.theirRule()
				}
			}
			return nil
		}, func() {
			_, err := h.apply(b, keep("THEIRS"))
			if !errors.Is(err, ErrBusy) || !errors.Is(err, ErrUndone) {
				t.Errorf("error %v", err)
			}
		})
		h.beside(a)
		if st := h.status(); st.Unfinished != nil || st.Applied.Number != 1 {
			t.Errorf("status %+v", st)
		}
		h.applied(b, keep("THEIRS"))
		h.beside(b)
	})
}
