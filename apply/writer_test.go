package apply

import (
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

var applies = flag.Int("applies", 4, "how often TestWriters applies")

// writer adds rules to its own chain and deletes them again, in a transaction
// each, at a steady pace: a program that has iptables-restore --noflush open.
type writer struct {
	cmd  *exec.Cmd
	stop chan struct{}
	done sync.WaitGroup

	sent  int
	began time.Time
	err   error
}

// standing is how many of its rules a writer leaves there.
const standing = 20

func writerRule(n int) string {
	return fmt.Sprintf("-s 10.%d.%d.%d/32 -j DROP", n>>16&255, n>>8&255, n&255)
}

// writer starts a writer, which makes chain WRITER and changes it every pause.
func (h *host) writer(ipt string, pause time.Duration) *writer {
	h.t.Helper()
	h.sh(ipt + " -N WRITER; " + ipt + " -I INPUT -j WRITER")
	w := &writer{cmd: exec.Command(ipt+"-restore", "--noflush", "-w"), stop: make(chan struct{}), began: time.Now()}
	var out strings.Builder
	w.cmd.Stdout, w.cmd.Stderr = &out, &out
	pipe, err := w.cmd.StdinPipe()
	h.must(err)
	h.must(w.cmd.Start())
	w.done.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for w.err == nil {
			select {
			case <-w.stop:
				pipe.Close()
				if err := w.cmd.Wait(); err != nil {
					w.err = fmt.Errorf("the writer: %w: %s", err, out.String())
				}
				return
			case <-tick.C:
			}
			line := "-A WRITER " + writerRule(w.sent)
			if k := w.sent - standing; k >= 0 {
				line += "\n-D WRITER " + writerRule(k)
			}
			w.sent++
			_, w.err = fmt.Fprintf(pipe, "*filter\n%s\nCOMMIT\n", line)
		}
		if err := w.cmd.Wait(); err != nil {
			w.err = fmt.Errorf("the writer: %w: %s", err, out.String())
		}
	})
	return w
}

// end stops the writer and returns what its chain must hold.
func (w *writer) end() (want string, pace float64, err error) {
	close(w.stop)
	w.done.Wait()
	for n := max(0, w.sent-standing); n < w.sent; n++ {
		want += "-A WRITER " + writerRule(n) + "\n"
	}
	return want, float64(w.sent) / time.Since(w.began).Seconds(), w.err
}

// bans is what fail2ban does at each ban, in the words of its action
// iptables-multiport: it checks that its rule is there, and sets up again
// what is not, which tells that something was lost.
const bans = `
IPT -w -N f2b-sshd
IPT -w -A f2b-sshd -j RETURN
IPT -w -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
: > DIR/ready
n=0
while [ ! -e DIR/stop ]; do
	IPT -w -C INPUT -p tcp -m multiport --dports 22 -j f2b-sshd || { echo "the jump is lost"; exit 1; }
	IPT -w -I f2b-sshd 1 -s 192.0.2.$n -j REJECT --reject-with icmp-port-unreachable || exit 1
	echo 192.0.2.$n/32 >> DIR/banned
	if [ $n -ge 10 ]; then
		IPT -w -D f2b-sshd -s 192.0.2.$((n - 10)) -j REJECT --reject-with icmp-port-unreachable || exit 1
	fi
	n=$(( (n + 1) % 250 ))
	[ $n != 0 ] || { sleep 0.1; exit 0; }
	sleep 0.1
done
`

// TestWriters applies two firewalls in turn while others change theirs without
// end: none of their changes is lost, and none of fwc's.
func TestWriters(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			onHost(t, func(h *host) {
				ipt, dir := "iptables-"+backend, t.TempDir()
				base := ipt + " -P INPUT DROP; " + ipt + " -A INPUT -i lo -j ACCEPT; " + ipt + " -t nat -A POSTROUTING -o eth7 -j MASQUERADE; "
				two := [2]string{base + ipt + " -A INPUT -p tcp --dport 22 -j ACCEPT", base + ipt + " -A INPUT -p tcp --dport 80 -j ACCEPT; " + ipt + " -A FORWARD -j DROP"}
				states := [2]func() (*Result, error){}
				for i := range two {
					s := h.built(two[i])
					states[i] = func() (*Result, error) { return h.apply(s, keep("WRITER")) }
				}
				_, err := states[0]()
				h.must(err)
				w := h.writer(ipt, 5*time.Millisecond)
				jail := exec.Command("sh", "-c", strings.NewReplacer("IPT", ipt, "DIR", dir).Replace(bans))
				var said strings.Builder
				jail.Stdout, jail.Stderr = &said, &said
				h.must(jail.Start())
				h.sh("while [ ! -e " + dir + "/ready ]; do sleep 0.01; done")
				busy, began := 0, time.Now()
				for i := range *applies {
					for {
						r, err := states[(i+1)%2]()
						if errors.Is(err, ErrBusy) && !errors.Is(err, ErrUndone) {
							busy++
							if busy > 10**applies {
								h.fatal("never through: ", err)
							}
							continue
						}
						h.must(err)
						if r.Result != Applied {
							t.Errorf("result %+v", r)
						}
						break
					}
				}
				took := time.Since(began)
				h.sh(": > " + dir + "/stop")
				jerr := jail.Wait()
				want, pace, err := w.end()
				if err != nil || jerr != nil {
					t.Errorf("writer: %v; jail: %v: %s", err, jerr, said.String())
				}
				t.Logf("%d applies in %v, %d of them found no quiet moment, %.0f changes a second", *applies, took.Round(time.Millisecond), busy, pace)
				got := h.sh(ipt + "-save -t filter | grep '^-A WRITER'")
				if got != want {
					t.Errorf("the writer's chain:\n%s\nwant:\n%s", got, want)
				}
				last := two[*applies%2]
				saved := h.sh(ipt + "-save")
				for _, line := range strings.Split(h.sh("grep -c . "+dir+"/banned; tail -10 "+dir+"/banned"), "\n")[1:] {
					if line != "" && !strings.Contains(saved, "-A f2b-sshd -s "+line+" -j REJECT") {
						t.Errorf("%s is no longer banned:\n%s", line, saved)
					}
				}
				st, err := Inspect(h.ctx, h.options())
				h.must(err)
				if len(st.Drift) > 0 {
					t.Errorf("drift %v after %s", st.Drift, last)
				}
			})
		})
	}
}
