package apply

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// managersEnv has the programs that packaging/deps.sh managers unpacks in PATH,
// where root is given.
func (h *host) managersEnv(root string) []string {
	libs, err := filepath.Glob(root + "/usr/lib/*-linux-gnu")
	h.must(err)
	return append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"), "PATH="+root+"/usr/bin:"+root+"/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
		"PYTHONPATH="+root+"/usr/lib/python3/dist-packages")
}

// besideAManager applies two firewalls in turn while loop, a script that runs
// until the file DIR/stop is there, has a manager work.
func (h *host) besideAManager(root, dir, loop string, two [2]string) {
	h.t.Helper()
	var states [2]func() (*Result, error)
	for i := range two {
		s := h.built(two[i])
		states[i] = func() (*Result, error) { return h.apply(s) }
	}
	work := exec.Command("sh", "-ec", strings.ReplaceAll(loop, "DIR", dir))
	work.Env = h.managersEnv(root)
	var said strings.Builder
	work.Stdout, work.Stderr = &said, &said
	h.must(work.Start())
	busy, began := 0, time.Now()
	var kept []Foreign
	for i := range *applies {
		r, err := states[i%2]()
		for errors.Is(err, ErrBusy) && !errors.Is(err, ErrUndone) && busy < 10**applies {
			busy++
			r, err = states[i%2]()
		}
		h.must(err)
		if r.Result != Applied {
			h.t.Errorf("apply %d: %s", i, r.Result)
		}
		kept = r.ForeignKept
	}
	took := time.Since(began)
	h.must(os.WriteFile(dir+"/stop", nil, 0o600))
	if err := work.Wait(); err != nil {
		h.t.Errorf("the manager's work: %v: %s", err, said.String())
	}
	if len(kept) == 0 || slices.ContainsFunc(kept, func(f Foreign) bool { return f.Manager == "" }) {
		h.t.Errorf("kept %v", kept)
	}
	h.t.Logf("%d applies in %v, %d more found no quiet moment", *applies, took.Round(time.Millisecond), busy)
	st, err := Inspect(h.ctx, h.options())
	h.must(err)
	if len(st.Drift) > 0 {
		h.t.Errorf("drift %v", st.Drift)
	}
}

// dockerCalls are what dockerd 20.10 calls when it starts and when it makes and
// removes a network, in its order; written down from watching it.
const dockerCalls = `
has() { IPT --wait "$@" 2>/dev/null; }
start() {
	IPT --wait -t nat -N DOCKER; IPT --wait -t filter -N DOCKER
	IPT --wait -t filter -N DOCKER-ISOLATION-STAGE-1; IPT --wait -t filter -N DOCKER-ISOLATION-STAGE-2
	IPT --wait -A DOCKER-ISOLATION-STAGE-1 -j RETURN; IPT --wait -A DOCKER-ISOLATION-STAGE-2 -j RETURN
	IPT --wait -t filter -N DOCKER-USER || :
	IPT --wait -t filter -A DOCKER-USER -j RETURN
	IPT --wait -P FORWARD DROP
	IPT --wait -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	IPT --wait -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER ! --dst 127.0.0.0/8
	create 172.17.0.0/16 docker0
}
insert() { # what is not there
	table=$1; shift
	has -t $table -C "$@" || IPT --wait -t $table -I "$@"
}
first() { # to the top
	if has -t filter -C FORWARD -j $1; then IPT --wait -D FORWARD -j $1; fi
	IPT --wait -I FORWARD -j $1
}
create() { # SUBNET BRIDGE
	insert nat POSTROUTING -s $1 ! -o $2 -j MASQUERADE
	insert nat DOCKER -i $2 -j RETURN
	has -D FORWARD -i $2 -o $2 -j DROP || :
	insert filter FORWARD -i $2 -o $2 -j ACCEPT
	insert filter FORWARD -i $2 ! -o $2 -j ACCEPT
	has -t nat -C PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	has -t nat -C OUTPUT -m addrtype --dst-type LOCAL -j DOCKER ! --dst 127.0.0.0/8
	insert filter FORWARD -o $2 -j DOCKER
	insert filter FORWARD -o $2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	first DOCKER-ISOLATION-STAGE-1
	insert filter DOCKER-ISOLATION-STAGE-1 -i $2 ! -o $2 -j DOCKER-ISOLATION-STAGE-2
	insert filter DOCKER-ISOLATION-STAGE-2 -o $2 -j DROP
	has -t filter -C DOCKER-USER -j RETURN
	first DOCKER-USER
}
remove() { # SUBNET BRIDGE
	IPT --wait -t nat -D POSTROUTING -s $1 ! -o $2 -j MASQUERADE
	IPT --wait -t nat -D DOCKER -i $2 -j RETURN
	IPT --wait -D FORWARD -i $2 -o $2 -j ACCEPT
	IPT --wait -D FORWARD -i $2 ! -o $2 -j ACCEPT
	IPT --wait -D FORWARD -o $2 -j DOCKER
	IPT --wait -D FORWARD -o $2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	IPT --wait -D DOCKER-ISOLATION-STAGE-1 -i $2 ! -o $2 -j DOCKER-ISOLATION-STAGE-2
	IPT --wait -D DOCKER-ISOLATION-STAGE-2 -o $2 -j DROP
}
`

// TestDockerCalls applies while Docker's calls are made: each deletes what the
// one before has put there, and fails if it is lost.
func TestDockerCalls(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			onHost(t, func(h *host) {
				calls := onBackend(dockerCalls, backend)
				h.sh(calls + "start")
				before := h.theirs()
				base := onBackend(`IPT -N DOCKER-USER; IPT -A DOCKER-USER -s 192.0.2.1 -m comment --comment ours -j DROP
IPT -A INPUT -i lo -m comment --comment ours -j ACCEPT; IPT -t nat -A POSTROUTING -o eth7 -m comment --comment ours -j MASQUERADE; `, backend)
				h.besideAManager("", t.TempDir(), calls+`
while [ ! -e DIR/stop ]; do
	create 10.200.1.0/24 br-0123456789ab
	create 10.200.2.0/24 br-ba9876543210
	remove 10.200.1.0/24 br-0123456789ab
	remove 10.200.2.0/24 br-ba9876543210
	sleep 0.4
done`, [2]string{base + onBackend("IPT -A FORWARD -p udp -m comment --comment ours -j DROP", backend),
					base + onBackend("IPT -A INPUT -p tcp --dport 22 -m comment --comment ours -j ACCEPT", backend)})
				if after := uncounted(h.theirs()); after != uncounted(before) {
					t.Errorf("what is left of Docker:\n%s\nwant:\n%s", after, before)
				}
				want := "-A DOCKER-USER -s 192.0.2.1/32 -m comment --comment ours -j DROP\n-A DOCKER-USER -j RETURN\n"
				if saved := h.sh(onBackend("IPT-save", backend)); !strings.Contains(saved, want) {
					t.Errorf("DOCKER-USER:\n%s", saved)
				}
			})
		})
	}
}

// uncounted is a save without counters.
func uncounted(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if _, rest, ok := strings.Cut(line, "] "); ok && line[0] == '[' {
			line = rest
		} else if i := strings.LastIndex(line, " ["); i > 0 && line[0] == ':' {
			line = line[:i] + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}
