package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/verify"
)

// reboot runs fn on the host after a power cut: the state directory is there,
// and nothing of the kernel's.
func (h *host) reboot(fn func(h *host)) {
	h.t.Helper()
	for _, pid := range h.watchdogs() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	path := journalPath(h.dir)
	if text, err := os.ReadFile(path); err == nil {
		h.must(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), bootID(), "the boot before")), 0o600))
	}
	h.nested(fn)
}

// judge accepts artifacts of one signer at boot, on a host with this kernel ("":
// the one that runs).
func (h *host) judge(trust verify.Trust, kernel string, mode verify.BootMode) BootOptions {
	return BootOptions{Options: Options{State: h.dir}, Accept: func(ctx context.Context, data []byte) (*verify.Accepted, error) {
		p := verify.DefaultPolicy()
		p.Boot, p.OnBoot = true, mode
		c, err := verify.Check(data, trust, p, time.Unix(60, 0), verify.OpenState(h.dir))
		if err != nil {
			return nil, err
		}
		tools, err := netfilter.Probe(ctx)
		if err != nil {
			return nil, err
		}
		if kernel != "" {
			tools.Kernel = kernel
		}
		return c.Boot(tools)
	}}
}

// take applies a signed artifact.
func (h *host) take(data []byte, trust verify.Trust, edit ...func(*Options)) *Result {
	h.t.Helper()
	a, err := h.accept(data, trust)
	h.must(err)
	r, err := Apply(h.ctx, a, h.options(edit...))
	h.must(err)
	return r
}

func TestBootBringsBack(t *testing.T) {
	for name, script := range map[string]string{"nft": scriptA, "legacy": legacy(scriptA)} {
		t.Run(name, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa := h.built(script, ruleset.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"})
				now := uint64(time.Now().Unix())
				data, trust := h.signed(sa, now)
				h.take(data, trust)
				other, trustOther := h.signed(h.built(scriptB), now+1)
				h.take(other, trustOther, confirmIn(time.Minute)) // and nobody confirms
				h.reboot(func(h *host) {
					h.sh("iptables -A INPUT -p tcp --dport 23 -j ACCEPT") // somebody was faster
					r, err := Boot(h.ctx, h.judge(trust, "", ""))
					h.must(err)
					if r.Result != Applied || r.Generation != 1 || len(r.ForeignLost) != 1 || r.Recovered == nil || !r.Recovered.Unconfirmed {
						t.Errorf("result %s, generation %d, lost %v, recovered %+v", r.Result, r.Generation, r.ForeignLost, r.Recovered)
					}
					h.is(sa)
					st := h.status()
					if !st.stands() || st.LockedDown || st.Boot == nil || st.Boot.Result != BootApplied || st.Applied.Number != 1 {
						t.Errorf("status %+v", st)
					}
					if st.Undone == nil || !strings.Contains(st.Undone.Why, "not confirmed before the kernel started anew") {
						t.Errorf("undone %v", st.Undone)
					}
					r, err = Boot(h.ctx, h.judge(trust, "", ""))
					h.must(err)
					if r.Result != Unchanged {
						t.Errorf("a second time: %+v", r)
					}
					list, err := History(h.dir)
					h.must(err)
					if len(list) != 1 {
						t.Errorf("history %+v", list)
					}
					// Trust that broke since does not close a host that is fine.
					if _, err := Boot(h.ctx, h.judge(verify.Trust{}, "", "")); err == nil || errors.As(err, new(*LockdownError)) {
						t.Errorf("error %v", err)
					}
					h.is(sa)
				})
				h.gone()
			})
		})
	}
}

// TestBootWhateverTheClockSays has a clock that was set back or forward, or is one
// of a board without a battery, also against the times of artifact and keys.
func TestBootWhateverTheClockSays(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		data, trust := h.signed(sa, uint64(time.Now().Unix()))
		h.take(data, trust)
		for _, now := range []time.Time{time.Unix(0, 0), time.Now().AddDate(-3, 0, 0), time.Now().AddDate(50, 0, 0)} {
			h.reboot(func(h *host) {
				opts := h.judge(trust, "", "")
				opts.Accept = func(ctx context.Context, data []byte) (*verify.Accepted, error) {
					p := verify.DefaultPolicy()
					p.Boot = true
					p.Keys = map[string]verify.Validity{"k": {NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}}
					tools, err := netfilter.Probe(ctx)
					h.must(err)
					c, err := verify.Check(data, trust, p, now, verify.OpenState(h.dir))
					if err != nil {
						return nil, err
					}
					// Where the clock counts it says no.
					p.Boot = false
					if _, err := verify.Check(data, trust, p, now, verify.OpenState(h.dir)); err == nil {
						t.Errorf("%v: an apply takes it", now)
					}
					return c.Boot(tools)
				}
				_, err := Boot(h.ctx, opts)
				h.must(err)
				h.is(sa)
			})
		}
	})
}

// TestBootAfterRollback brings back what a rollback did, although a newer
// artifact was accepted before.
func TestBootAfterRollback(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		now := uint64(time.Now().Unix())
		data, trust := h.signed(sa, now)
		h.take(data, trust)
		other, trustOther := h.signed(h.built(scriptB), now+1)
		h.take(other, trustOther)
		_, err := Rollback(h.ctx, Previous, h.options())
		h.must(err)
		h.reboot(func(h *host) {
			_, err := Boot(h.ctx, h.judge(trust, "", ""))
			h.must(err)
			h.is(sa)
		})
		_, err = Rollback(h.ctx, BeforeFWC, h.options())
		h.must(err)
		h.reboot(func(h *host) {
			r, err := Boot(h.ctx, h.judge(trust, "", ""))
			if r != nil || err != nil {
				t.Errorf("nothing is confirmed: %+v, %v", r, err)
			}
		})
	})
}

// TestBootOnAnotherKernel: compatible proves it by a trial, lockdown does not
// try.
func TestBootOnAnotherKernel(t *testing.T) {
	onHost(t, func(h *host) {
		sa := h.built(scriptA)
		data, trust := h.signed(sa, uint64(time.Now().Unix()))
		h.take(data, trust)
		for _, mode := range []verify.BootMode{"", verify.Compatible} {
			h.reboot(func(h *host) {
				_, err := Boot(h.ctx, h.judge(trust, "6.99.0", mode))
				h.must(err)
				h.is(sa)
				if n := h.status().Boot; n == nil || n.Result != BootCompatible || !strings.Contains(n.Why, "kernel is 6.99.0, not ") {
					t.Errorf("note %+v", n)
				}
				h.applied(h.built(scriptB))
				if n := h.status().Boot; n != nil {
					t.Errorf("note %+v after another apply", n)
				}
				_, err = Rollback(h.ctx, Previous, h.options())
				h.must(err)
			})
		}
		h.reboot(func(h *host) {
			_, err := Boot(h.ctx, h.judge(trust, "6.99.0", verify.Lockdown))
			var host *verify.HostError
			if !errors.As(err, new(*LockdownError)) || !errors.As(err, &host) {
				t.Errorf("error %v", err)
			}
			h.lockedDown()
		})
	})
}

// TestRollbackEndsALockdown goes from a lockdown to what the host had, not to
// the generation before that.
func TestRollbackEndsALockdown(t *testing.T) {
	onHost(t, func(h *host) {
		now := uint64(time.Now().Unix())
		data, trust := h.signed(h.built(scriptA), now)
		h.take(data, trust)
		sb := h.built(scriptB)
		data, trust = h.signed(sb, now+1)
		h.take(data, trust)
		h.reboot(func(h *host) {
			_, err := Boot(h.ctx, h.judge(trust, "6.99.0", verify.Lockdown))
			if !errors.As(err, new(*LockdownError)) {
				t.Errorf("error %v", err)
			}
			h.lockedDown()
			r, err := Rollback(h.ctx, Previous, h.options())
			h.must(err)
			if r.Result != RolledBack || r.Generation != 2 {
				t.Errorf("result %+v", r)
			}
			h.is(sb)
			if st := h.status(); !st.stands() || st.LockedDown || st.Applied.Number != 2 {
				t.Errorf("status %+v", st)
			}
			// Without a lockdown it goes one back, as ever.
			r, err = Rollback(h.ctx, Previous, h.options())
			h.must(err)
			if r.Generation != 1 {
				t.Errorf("a second time: generation %d", r.Generation)
			}
		})
	})
}

// lockedDown expects a lockdown and that status says so.
func (h *host) lockedDown() {
	h.t.Helper()
	live := h.live(&ruleset.Snapshot{})
	if !lockedDown(live) {
		h.t.Error("the host is not locked down")
	}
	if n := LastBoot(h.dir); n == nil || n.Result != BootLockedDown || n.Why == "" || n.By == "" {
		h.t.Errorf("note %+v", n)
	}
	if st, err := Inspect(h.ctx, h.options()); err == nil && (!st.LockedDown || st.stands()) {
		h.t.Errorf("status %+v", st)
	} else if err == nil {
		for _, c := range st.Drift {
			if strings.Contains(strings.ToLower(fmt.Sprintf("%+v", c)), "lockdown") {
				h.t.Errorf("the lockdown is drift: %v", c)
			}
		}
	}
}

// TestBootNeverEndsOnNothing breaks what a boot needs, one by one.
func TestBootNeverEndsOnNothing(t *testing.T) {
	spoil := func(name string) func(*host) {
		return func(h *host) {
			text, err := os.ReadFile(filepath.Join(h.dir, name))
			h.must(err)
			text[len(text)/2] ^= 4
			h.must(os.WriteFile(filepath.Join(h.dir, name), text, 0o600))
		}
	}
	remove := func(name string) func(*host) {
		return func(h *host) { h.must(os.RemoveAll(filepath.Join(h.dir, name))) }
	}
	for _, tt := range []struct {
		name  string
		spoil func(*host)
		edit  func(*BootOptions)
	}{
		{"artifact altered", spoil("generations/1/artifact"), nil},
		{"artifact lost", remove("generations/1/artifact"), nil},
		{"generation lost", remove("generations/1"), nil},
		{"description altered", func(h *host) {
			name := filepath.Join(h.dir, "generations/1/generation.json")
			text, err := os.ReadFile(name)
			h.must(err)
			h.must(os.WriteFile(name, []byte(strings.Replace(string(text), `"applied": "`, `"applied": "0`, 1)), 0o600))
		}, nil},
		{"dumps altered", spoil("generations/1/applied/iptables.rules"), nil},
		{"journal altered", func(h *host) { h.must(os.WriteFile(journalPath(h.dir), []byte("{"), 0o600)) }, nil},
		{"journal lost", remove("journal.json"), nil},
		{"journal and generations lost", func(h *host) { remove("journal.json")(h); remove("generations")(h) }, nil},
		{"journal, generations and what was accepted damaged", func(h *host) {
			remove("journal.json")(h)
			remove("generations")(h)
			spoil("accepted")(h)
		}, nil},
		{"journal of a first use", func(h *host) {
			h.must((&journal{Schema: journalSchema}).write(h.dir))
		}, nil},
		{"journal is a fifo", func(h *host) {
			remove("journal.json")(h)
			h.must(unix.Mkfifo(journalPath(h.dir), 0o600))
		}, nil},
		{"artifact is a fifo", func(h *host) {
			remove("generations/1/artifact")(h)
			h.must(unix.Mkfifo(filepath.Join(h.dir, "generations/1/artifact"), 0o600))
		}, nil},
		{"accepted altered", spoil("accepted"), nil},
		{"accepted lost", remove("accepted"), nil},
		{"state writable by others", func(h *host) { h.must(os.Chmod(h.dir, 0o777)) }, nil},
		{"state is a file", func(h *host) {
			h.must(os.RemoveAll(h.dir))
			h.must(os.WriteFile(h.dir, nil, 0o600))
		}, nil},
		{"another artifact", func(h *host) {
			data, _ := h.signed(h.built(scriptB), 5)
			h.must(os.WriteFile(filepath.Join(h.dir, "generations/1/artifact"), data, 0o600))
		}, nil},
		{"trust lost", func(*host) {}, func(o *BootOptions) {
			o.Accept = func(context.Context, []byte) (*verify.Accepted, error) { return nil, verify.ErrTrustRoot }
		}},
		{"no tools at all", func(h *host) { h.sh("mount -t tmpfs none /usr/sbin") }, nil},
		{"commit fails", func(*host) {}, func(o *BootOptions) {
			o.fault = func(point string) error {
				if point == "readback" {
					return errors.New("broken")
				}
				return nil
			}
		}},
		{"state lost, and the policy is strict", func(h *host) { h.must(os.RemoveAll(h.dir)) }, func(o *BootOptions) { o.Strict = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				data, trust := h.signed(h.built("iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 80 -j ACCEPT"), uint64(time.Now().Unix()))
				h.take(data, trust)
				h.reboot(func(h *host) {
					tt.spoil(h)
					opts := h.judge(trust, "", "")
					if tt.edit != nil {
						tt.edit(&opts)
					}
					r, err := Boot(h.ctx, opts)
					var locked *LockdownError
					if r != nil || !errors.As(err, &locked) || locked.By == "" || locked.Cause == nil {
						t.Errorf("result %+v, error %v", r, err)
					}
					if tt.name == "no tools at all" {
						h.sh("umount /usr/sbin")
						if locked.By != "netlink" {
							t.Errorf("locked down by %s: %v", locked.By, err)
						}
					}
					h.lockedDown()
				})
			})
		})
	}
}

// TestBootWaitsForOthers has another fwc hold the lock: a boot waits for it, and
// ends on a firewall whatever becomes of it.
func TestBootWaitsForOthers(t *testing.T) {
	wait := func(d time.Duration) func(*BootOptions) { return func(o *BootOptions) { o.LockWait = d } }
	for _, tt := range []struct {
		name   string
		before string        // on the host
		hold   time.Duration // 0 for ever
		edit   func(*BootOptions)
		check  func(h *host, sa *ruleset.Snapshot, r *Result, err error)
	}{
		{"until it ends", "iptables -F", 500 * time.Millisecond, wait(10 * time.Second), func(h *host, sa *ruleset.Snapshot, r *Result, err error) {
			h.must(err)
			if r.Result != Applied {
				t.Errorf("result %+v", r)
			}
			h.is(sa)
		}},
		{"in vain, and nothing is there", "iptables -F", 0, wait(100 * time.Millisecond), func(h *host, _ *ruleset.Snapshot, _ *Result, err error) {
			if !errors.As(err, new(*LockdownError)) || !errors.Is(err, ErrBusy) {
				t.Errorf("error %v", err)
			}
			h.lockedDown()
		}},
		{"in vain, and the firewall is there", ":", 0, wait(100 * time.Millisecond), func(h *host, sa *ruleset.Snapshot, _ *Result, err error) {
			if !errors.Is(err, ErrBusy) || errors.As(err, new(*LockdownError)) {
				t.Errorf("error %v", err)
			}
			h.is(sa)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onHost(t, func(h *host) {
				sa := h.built(scriptA)
				data, trust := h.signed(sa, uint64(time.Now().Unix()))
				h.take(data, trust)
				s, err := open(h.ctx, h.dir, time.Second) // a fork beside may hold it until its exec
				h.must(err)
				defer s.close()
				if tt.hold > 0 {
					time.AfterFunc(tt.hold, s.close)
				}
				h.sh(tt.before)
				opts := h.judge(trust, "", "")
				tt.edit(&opts)
				r, err := Boot(h.ctx, opts)
				tt.check(h, sa, r, err)
			})
		})
	}
}

// TestBootBesideACheck has the other fwc run a long check with its firewall in
// effect: that stays.
func TestBootBesideACheck(t *testing.T) {
	onHost(t, func(h *host) {
		data, trust := h.signed(h.built(scriptA), uint64(time.Now().Unix()))
		h.take(data, trust)
		sb := h.built(scriptB)
		opts := h.judge(trust, "", "")
		opts.LockWait = 100 * time.Millisecond
		h.withFault(func(point string) error {
			if point == "settle" {
				if _, err := Boot(h.ctx, opts); !errors.Is(err, ErrBusy) || errors.As(err, new(*LockdownError)) {
					t.Errorf("error %v", err)
				}
			}
			return nil
		}, func() { h.applied(sb) })
		h.is(sb)
	})
}

// TestNothingToBoot leaves a host alone that never had a firewall of fwc's.
func TestNothingToBoot(t *testing.T) {
	onHost(t, func(h *host) {
		r, err := Boot(h.ctx, h.judge(verify.Trust{}, "", ""))
		if r != nil || err != nil {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := os.Stat(h.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it made a state directory: %v", err)
		}
		h.is(&ruleset.Snapshot{})
	})
}

// TestLockdownLetsManagementIn sends real packets at a locked down host, whose
// own firewall would let all pass, and lifts the lockdown by an apply.
func TestLockdownLetsManagementIn(t *testing.T) {
	policy, err := verify.ParsePolicy("p", []byte("management-ports = 22, 53/udp"))
	if err != nil {
		t.Fatal(err)
	}
	from, err := verify.ParsePolicy("p", []byte("management-from = 192.0.2.2, 2001:db8::2"))
	if err != nil {
		t.Fatal(err)
	}
	never, err := verify.ParsePolicy("p", []byte("management-from = 192.0.2.3/32"))
	if err != nil {
		t.Fatal(err)
	}
	for name, way := range map[string]func(h *host, m verify.Management) error{
		"nft": func(h *host, m verify.Management) error {
			by, err := lockdown(h.ctx, m)
			if by != "nft" {
				t.Errorf("by %s", by)
			}
			return err
		},
		"netlink": func(h *host, m verify.Management) error {
			return netfilter.LockDown(h.ctx, lockdownTable, lockdownPasses(m))
		},
		"iptables-nft":    func(h *host, m verify.Management) error { return lockdownTables(h.ctx, ruleset.NFT, m) },
		"iptables-legacy": func(h *host, m verify.Management) error { return lockdownTables(h.ctx, ruleset.Legacy, m) },
	} {
		t.Run(name, func(t *testing.T) {
			onHost(t, func(h *host) {
				base := h.built("iptables -A INPUT -s 192.0.2.9 -j ACCEPT; iptables-legacy -A OUTPUT -d 192.0.2.9 -j ACCEPT")
				h.applied(base)
				h.peer()
				reach := func(when string, want map[string]bool) {
					t.Helper()
					got := map[string]bool{}
					for to := range want {
						got[to] = h.reaches(to)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s: reached (-want +got):\n%s", when, diff)
					}
				}
				everything := map[string]bool{"192.0.2.1 22": true, "192.0.2.1 80": true, "2001:db8::1 22": true, "2001:db8::1 80": true}
				reach("before", everything)
				h.must(way(h, policy.Management))
				h.must(way(h, policy.Management)) // again
				reach("locked down", map[string]bool{"192.0.2.1 22": true, "192.0.2.1 80": false, "2001:db8::1 22": true, "2001:db8::1 80": false})
				h.sh("timeout 1 bash -c 'echo > /dev/tcp/127.0.0.1/80' 2>&1 | grep -q refused")
				if st := h.status(); !st.LockedDown || st.stands() || len(st.Drift) > 0 {
					t.Errorf("status %+v", st)
				}
				r := h.applied(base)
				if len(r.ForeignLost)+len(r.ForeignKept) > 0 {
					t.Errorf("the lockdown is foreign: %+v", r)
				}
				h.is(base)
				reach("lifted", everything)

				h.must(way(h, from.Management))
				reach("from the peer", map[string]bool{"192.0.2.1 22": true, "2001:db8::1 22": true, "192.0.2.1 80": false})
				_, err := Rollback(h.ctx, BeforeFWC, h.options())
				h.must(err)
				h.is(&ruleset.Snapshot{})
				h.must(way(h, never.Management))
				reach("from others", map[string]bool{"192.0.2.1 22": false, "2001:db8::1 22": false})
			})
		})
	}
}

// peer gives the host a neighbour: 192.0.2.2 and 2001:db8::2, in a namespace of
// that name.
func (h *host) peer() {
	h.t.Helper()
	h.sh(`ip netns add peer
ip link add eth0 type veth peer name eth0 netns peer
ip addr add 192.0.2.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad; ip link set eth0 up
ip -n peer addr add 192.0.2.2/24 dev eth0; ip -n peer addr add 2001:db8::2/64 dev eth0 nodad; ip -n peer link set eth0 up; ip -n peer link set lo up`)
}

// reaches says whether the peer reaches a TCP port, which nobody listens on:
// refused is reached.
func (h *host) reaches(to string) bool {
	h.t.Helper()
	addr, port, _ := strings.Cut(to, " ")
	return strings.Contains(h.sh("ip netns exec peer timeout 1 bash -c 'echo > /dev/tcp/"+addr+"/"+port+"' 2>&1 || :"), "refused")
}
