package apply

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestUndoKeepsWhatOthersAdd lets others change the firewall while it is being
// changed: what they add stays when that is undone, at once or by the next
// start.
func TestUndoKeepsWhatOthersAdd(t *testing.T) {
	for _, ipt := range []string{"iptables-nft", "iptables-legacy"} {
		others := strings.ReplaceAll(`IPT -A DOCKER -s 192.0.2.5/32 -j DROP; IPT -N f2b; IPT -A f2b -j RETURN; IPT -I INPUT 1 -s 192.0.2.6/32 -j f2b
ipset create late hash:ip; IPT -A INPUT -m set --match-set late src -j DROP; ipset add own 192.0.2.7`, "IPT", ipt)
		for _, way := range []string{"check", "killed"} {
			t.Run(ipt+" "+way, func(t *testing.T) {
				onHost(t, func(h *host) {
					in := func(s string) string { return strings.ReplaceAll(s, "IPT", ipt) }
					use := "; IPT -A INPUT -m set --match-set own src -j DROP"
					a := h.built(in("ipset create own hash:net; ipset add own 192.0.2.1; IPT -A INPUT -i lo -j ACCEPT" + use))
					b := h.built(in("ipset create own hash:net; ipset add own 192.0.2.0/30; IPT -A INPUT -p icmp -j ACCEPT; IPT -N web; IPT -A INPUT -j web" + use))
					h.sh(in("IPT -N DOCKER; IPT -A DOCKER -j RETURN; IPT -I FORWARD -j DOCKER"))
					h.applied(a, keep("DOCKER"))
					before := h.saves()
					if way == "check" {
						_, err := h.apply(b, keep("DOCKER"), func(o *Options) { o.Check = others + "; false" })
						var failed *FailedError
						if !errors.As(err, &failed) || !errors.Is(err, ErrUndone) || len(failed.Lost) > 0 {
							t.Errorf("error %v", err)
						}
					} else {
						_ = h.victim(b, "readback", "DOCKER").Wait()
						h.sh(others)
						r, err := Recover(h.ctx, h.options())
						h.must(err)
						if len(r.Lost) > 0 {
							t.Errorf("lost %v", r.Lost)
						}
					}
					got := h.saves()
					for _, line := range []string{"-A DOCKER -s 192.0.2.5/32 -j DROP", "-A f2b -j RETURN", "-A INPUT -s 192.0.2.6/32 -j f2b", "-A INPUT -m set --match-set late src -j DROP", "-A INPUT -i lo -j ACCEPT", "add own 192.0.2.7"} {
						if strings.Count(got, line) != 1 {
							t.Errorf("%q is there %d times", line, strings.Count(got, line))
						}
					}
					// Theirs aside, all is as it was.
					h.sh(in("IPT -D DOCKER -s 192.0.2.5/32 -j DROP; IPT -D INPUT -s 192.0.2.6/32 -j f2b; IPT -D INPUT -m set --match-set late src -j DROP; IPT -F f2b; IPT -X f2b; sleep 0.1; ipset destroy late; ipset del own 192.0.2.7"))
					if diff := cmp.Diff(before, h.saves()); diff != "" {
						t.Errorf("not as before (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// TestUndoNamesWhatCannotStay adds to what goes.
func TestUndoNamesWhatCannotStay(t *testing.T) {
	onHost(t, func(h *host) {
		h.applied(h.built("nft add table inet mine; nft add chain inet mine c; ipset create s hash:ip"))
		before := h.saves()
		b := h.built("nft add table inet mine; nft add chain inet mine c; nft add rule inet mine c drop; iptables -N web; iptables -A INPUT -j web; ipset create s hash:net")
		_, err := h.apply(b, func(o *Options) {
			o.Check = "nft add rule inet mine c tcp dport 1 accept; iptables -A FORWARD -j web; ipset add s 192.0.2.0/30; false"
		})
		var failed *FailedError
		if !errors.As(err, &failed) || !errors.Is(err, ErrUndone) {
			h.fatal("error", err)
		}
		want := []string{"nft inet mine -A c tcp dport 1 accept: fwc replaces its native tables whole",
			"iptables filter -A FORWARD -j web: it jumps to chain web, which the artifact removes",
			"ipset s: 1 member: 192.0.2.0/30: the set was of another type or had other options"}
		if diff := cmp.Diff(want, strs(failed.Lost)); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("not as before (-want +got):\n%s", diff)
		}
	})
}

// TestBusyNeighbour applies while others change the firewall without end.
func TestBusyNeighbour(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built("iptables -A INPUT -j ACCEPT")
		h.applied(a)
		h.sh("iptables -N others")
		busy := exec.Command("sh", "-c", "while :; do iptables -A others -s 192.0.2.1 -j DROP; iptables -D others 1; done")
		h.must(busy.Start())
		_, err := h.apply(h.built("iptables -A INPUT -j DROP"), keep("others"))
		_ = busy.Process.Kill()
		_ = busy.Wait()
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrUndone) {
			t.Errorf("error %v", err)
		}
	})
}

// TestHeldLock applies while another program holds the lock of the legacy
// backend.
func TestHeldLock(t *testing.T) {
	onHost(t, func(h *host) {
		a := h.built("iptables-legacy -A INPUT -j ACCEPT")
		h.sh("iptables-legacy -N first; iptables-legacy -X first")
		defer h.holdXtables()()
		before := h.saves()
		_, err := h.apply(a, func(o *Options) { o.LockWait = time.Second })
		if !errors.Is(err, ErrBusy) || errors.Is(err, ErrUndone) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(before, h.saves()); diff != "" {
			t.Errorf("touched:\n%s", diff)
		}
		if _, err := os.Stat(h.dir); err != nil {
			t.Error(err)
		}
	})
}
