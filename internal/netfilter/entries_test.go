package netfilter

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netns"
)

var update = flag.Bool("update", false, "read the legacy tables of testdata from this kernel anew")

// blobs are scripts whose filter table is kept in testdata as the kernel gives
// it, and what the parser makes of it.
var blobs = []struct {
	file   string
	layout int
	script string
	want   string
}{
	{"ip.blob", 0, `
iptables-legacy -P FORWARD DROP
iptables-legacy -N one
iptables-legacy -N two
iptables-legacy -A INPUT -s 192.0.2.0/24 -p tcp --dport 22 -j one
iptables-legacy -A INPUT
iptables-legacy -A one -g two
iptables-legacy -A two -m limit --limit 3/sec -j LOG --log-prefix x
iptables-legacy -A two -j RETURN
iptables-legacy -A FORWARD -j ACCEPT`, `
INPUT accept
 header, match tcp, jump one
 header
FORWARD drop
 header, accept
OUTPUT accept
one 
 header, jump two
two 
 header, match limit, target LOG
 header, return
`},
	{"ip6.blob", 1, `
ip6tables-legacy -P OUTPUT DROP
ip6tables-legacy -N one
ip6tables-legacy -A OUTPUT -d 2001:db8::/32 -p udp --dport 53 -j one
ip6tables-legacy -A one -j REJECT`, `
INPUT accept
FORWARD accept
OUTPUT drop
 header, match udp, jump one
one 
 header, target REJECT
`},
	{"arp.blob", 2, `
arptables-legacy -A INPUT -s 192.0.2.1 -j DROP
arptables-legacy -P OUTPUT DROP`, `
INPUT accept
 header, drop
OUTPUT drop
FORWARD accept
`},
}

func TestParseEntries(t *testing.T) {
	for _, tt := range blobs {
		t.Run(tt.file, func(t *testing.T) {
			l := &legacyLayouts[tt.layout]
			path := filepath.Join("testdata", tt.file)
			if *update {
				if err := writeBlob(l, tt.script, path); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			chains, err := l.parse(&setNames{}, b[:l.infoSize()], b[l.infoSize():])
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			got.WriteString("\n")
			for _, c := range chains {
				fmt.Fprintf(&got, "%s %s\n", c.name, c.pol)
				for _, r := range c.rules {
					fmt.Fprintf(&got, " %s\n", r.String())
				}
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func writeBlob(l *entryLayout, script, path string) error {
	return netns.Do(func() error {
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		info, entries, err := l.read("filter")
		if err != nil {
			return err
		}
		return os.WriteFile(path, append(info, entries...), 0o644)
	})
}

func FuzzParseEntries(f *testing.F) {
	for _, tt := range blobs {
		b, err := os.ReadFile(filepath.Join("testdata", tt.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tt.layout, b)
	}
	f.Fuzz(func(t *testing.T, layout int, b []byte) {
		l := &legacyLayouts[uint(layout)%uint(len(legacyLayouts))]
		n := min(l.infoSize(), len(b))
		chains, err := l.parse(&setNames{known: map[uint16]string{}}, b[:n], b[n:])
		if err != nil && chains != nil {
			t.Error("chains beside an error")
		}
		rules := 0
		for _, c := range chains {
			rules += len(c.rules)
		}
		if rules*l.size > len(b) {
			t.Errorf("%d rules in %d bytes", rules, len(b))
		}
	})
}

func FuzzRule(f *testing.F) {
	imm := attr(attr(nil, 1, []byte("immediate\x00")), 2, attr(nil, 2, attr(nil, 2, attr(attr(nil, 1, []byte{0xff, 0xff, 0xff, 0xfd}), 2, []byte("c\x00")))))
	set := attr(attr(nil, 1, []byte("match\x00")), 2, attr(attr(nil, 1, []byte("set\x00")), 3, []byte{1, 0, 1, 1}))
	dyn := attr(attr(nil, 1, []byte("dynset\x00")), 2, attr(nil, 7, attr(nil, 1, []byte("counter\x00"))))
	f.Add(attr(nil, 4, attr(attr(attr(nil, 1, imm), 1, set), 1, dyn)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &decoder{names: &setNames{known: map[uint16]string{1: "one"}}, words: map[string]string{},
			anonymous: map[owned][]byte{}, rules: map[owned][][]byte{}, hidden: map[owned]bool{}}
		r, err := d.rule("ip", "filter", b, 0)
		if err != nil {
			return
		}
		s, err := d.rule("ip", "filter", b, 0)
		if err != nil || !r.equal(&s) {
			t.Errorf("decoded twice, differs: %v %v, %v", r, s, err)
		}
	})
}
