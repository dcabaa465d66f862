package apply

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/ruleset"
)

// spoiler returns what makes a disk full, or a directory one that nobody can
// write to, at a point of an apply.
func spoiler(how, dir string) func(point string) {
	w := strings.Split(how, ":")
	return func(point string) {
		if len(w) != 3 || point != w[1] {
			return
		}
		n, _ := strconv.Atoi(w[2])
		if w[2] = strconv.Itoa(n - 1); n != 1 {
			return
		}
		if w[0] == "frozen" {
			if out, err := exec.Command("chattr", "+i", dir).CombinedOutput(); err != nil {
				panic(fmt.Sprintf("chattr: %v: %s", err, out))
			}
			return
		}
		f, err := os.Create(filepath.Join(dir, "fill"))
		if err != nil {
			panic(err)
		}
		for size := 1 << 16; size > 0; size /= 2 {
			for {
				if _, err := io.WriteString(f, strings.Repeat("x", size)); err != nil {
					break
				}
			}
		}
		f.Close()
	}
}

// onDisk applies two firewalls by processes of their own, with the state on a
// small disk that goes with a shell; then KEPT has what was on it.
const onDisk = `cat > DISK.sh <<'END'
mount -t tmpfs -o size=1m none DISK
mkdir -m 700 DISK/state
export STATE=DISK/state
FROM ME
nft monitor new rules > DISK.monitor & monitor=$!
sleep 0.3
FIRST
code=0
TO ME 2> DISK.err || code=$?
echo $code > DISK.code
kill $monitor
mount -o remount,rw DISK
chattr -i DISK/state
rm -f DISK/state/fill
cp -a DISK/state KEPT
END
unshare -m sh -e DISK.sh
`

// TestSpoiledDisk has the disk of the state directory fill up, or become one that
// cannot be written to, at each step of an apply: it refuses before the kernel is
// touched, or ends well, or goes back, and never says what is not so.
func TestSpoiledDisk(t *testing.T) {
	const refused, undone, applied = 1, 6, 0
	for _, tt := range []struct {
		spoil string
		want  int
	}{
		{"full::0", refused}, // from the start
		{"full:generation:1", refused},
		{"full:write journal:1", refused},
		{"full:journal:1", applied},
		{"full:tables:1", applied},
		{"full:readback:1", applied},
		{"full:settle:1", applied},
		{"full:write journal:2", undone},
		{"readonly::0", refused},
		{"frozen:generation:1", refused},
		{"frozen:write journal:1", refused},
		{"frozen:journal:1", undone},
		{"frozen:readback:1", undone},
		{"frozen:write journal:2", undone},
	} {
		t.Run(tt.spoil, func(t *testing.T) {
			onHost(t, func(h *host) {
				a, b := h.built(small(smallA, "nft")), h.built(small(smallB, "nft"))
				disk := t.TempDir()
				first := map[string]string{
					"full::0":     "head -c 10m /dev/zero > DISK/state/fill || :",
					"readonly::0": "mount -o remount,ro DISK",
				}[tt.spoil]
				script := strings.Replace(onDisk, "FIRST", first, 1)
				h.sh(strings.NewReplacer("DISK", disk, "ME", os.Args[0], "KEPT", h.dir, "STATE", envState,
					"FROM", envDumps+"="+h.dumpsOf(a), "TO", envDumps+"="+h.dumpsOf(b)+" "+envSpoil+"='"+tt.spoil+"'").Replace(script))
				code, said := h.sh("cat "+disk+".code"), h.sh("cat "+disk+".err")
				if code != fmt.Sprintln(tt.want) {
					t.Errorf("exit code %swant %d: %s", code, tt.want, said)
				}
				if told := h.sh("cat " + disk + ".monitor"); (told == "") != (tt.want == refused) {
					t.Errorf("the kernel was told:\n%s", told)
				}
				want, other := a, b
				if tt.want == applied {
					want, other = b, a
				}
				h.is(want)
				_, err := Recover(h.ctx, h.options())
				h.must(err)
				h.is(want)
				if st := h.status(); len(st.Drift) > 0 || st.Unfinished != nil {
					t.Errorf("status %+v", st)
				}
				h.applied(other) // nothing is in the way
				h.is(other)
				if _, err := os.Stat(filepath.Join(h.dir, "reserve")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the room is still held: %v", err)
				}
			})
		})
	}
}

// dumpsOf writes the dumps of a firewall into a directory.
func (h *host) dumpsOf(s *ruleset.Snapshot) string {
	h.t.Helper()
	dir := h.t.TempDir()
	for _, d := range s.Dumps {
		h.must(os.WriteFile(filepath.Join(dir, d.Name()), d.Text, 0o600))
	}
	return dir
}
