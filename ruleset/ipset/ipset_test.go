package ipset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/ipset"
)

// kernelCases are restore inputs that the real ipset reads too.
var kernelCases = map[string]string{
	"empty":    "",
	"comments": "# comment\n\n   # indented\ncreate a hash:ip\nCOMMIT\n",
	"defaults": "create a hash:ip\ncreate b hash:net family inet6 hashsize 100 maxelem 10\ncreate c hash:ip,port -6\n" +
		"create d list:set\ncreate f hash:net,iface\ncreate g bitmap:ip range 10.0.0.0/24\n",
	"old names": "-N a iphash\n-A a 10.0.0.1\n-N b nethash --hashsize 512\n-A b 10.0.0.0/8\n-N c portmap --from 1 --to 100\n" +
		"-A c 22\n-N d ipmap --network 10.0.0.0/24\n-A d 10.0.0.3\n-N e macipmap --from 10.0.0.0 --to 10.0.0.9\n-N f setlist\n-A f a\n",
	"short words": "n a hash:ip\na a 10.0.0.1\nd a 10.0.0.1\na a 10.0.0.2\nf a\na a 10.0.0.3\nren a b\nn c hash:ip\nsw b c\nx b\n",
	"ranges": "create a hash:ip\nadd a 10.0.0.1-10.0.0.9\nadd a 10.1.0.0/29\ncreate n hash:net\nadd n 10.0.0.5-10.0.1.7\n" +
		"add n 192.0.2.77/24\nadd n 192.0.2.1/32\nadd n 1.1.1.9-1.1.1.3\ncreate b bitmap:port range 10-1\nadd b 3-5\nadd b 9-7\n" +
		"create p hash:ip,port\nadd p 10.0.0.1-10.0.0.2,udp:53-55\nadd p 10.0.0.9,80\n",
	"netmask": "create a hash:ip netmask 24\nadd a 10.0.0.7\nadd a 10.9.0.7-10.9.2.8\ncreate b bitmap:ip range 10.0.0.0/16 netmask 24\n" +
		"add b 10.0.3.9\ncreate c hash:ip netmask 32\ncreate d hash:ip bitmask 255.255.0.255\nadd d 10.1.2.3\n" +
		"create e hash:ip family inet6 netmask 64\nadd e 2001:db8::1:2:3:4\n",
	"ports": "create p hash:ip,port\nadd p 10.0.0.1,icmp:ping\nadd p 10.0.0.1,icmp:3/4\nadd p 10.0.0.1,icmp:200/9\nadd p 10.0.0.1,vrrp:0\n" +
		"add p 10.0.0.1,253:0\nadd p 10.0.0.1,sctp:9\nadd p 10.0.0.1,udplite:10\nadd p 10.0.0.1,17:53\n" +
		"create q hash:ip,port family inet6\nadd q fe80::1,icmpv6:ping\nadd q fe80::1,58:redirect\nadd q fe80::1,icmpv6:200/3\nadd q ::ffff:1.2.3.4,tcp:80\n",
	"members": "create i hash:net,iface\nadd i 10.0.0.0/8,eth0\nadd i 10.0.0.0/8,physdev:eth0\n" +
		"add i 0.0.0.0/0,eth1 nomatch\nadd i 10.0.0.0/30,wg wildcard\ncreate b bitmap:ip,mac range 10.0.0.0/24\nadd b 10.0.0.2\nadd b 10.0.0.1,a:b:c:d:e:f\n",
	"options": "create s hash:ip timeout 100 counters comment skbinfo bucketsize 5\n" +
		"add s 10.0.0.1 skbmark 0x5/0xff skbprio 1:f skbqueue 4 comment \"two  words\" packets 5 bytes 6\n" +
		"add s 10.0.0.2 skbmark 0x0 timeout 0\nadd s 10.0.0.3 skbmark 0x10 skbqueue 0 skbprio 0:0\nadd s 10.0.0.4 skbmark 0x0/0x0 timeout 600\n" +
		"create n hash:net comment\nadd n 10.0.0.0/8 nomatch comment a#b\n",
	"exist": "create a hash:ip comment\nadd a 10.0.0.1 comment x\nCOMMIT\nadd a 10.0.0.1 comment y -exist\n-exist add a 10.0.0.1 comment z\n" +
		"create a hash:ip comment -!\ndel a 10.0.0.9 -exist\n",
	"lists": "create a hash:ip\ncreate b hash:ip\ncreate c hash:ip\ncreate l list:set size 9\nadd l c\nadd l a before c\nadd l b after c\n" +
		"create k list:set\nadd k b\nadd k a\ndel k b\nadd k b\nswap a b\n",
	"numbers": "create a hash:ip hashsize 0x100 maxelem 010 timeout 0x10\nadd a 10.0.0.1 timeout 0x20\n",
	"grows":   "create a hash:ip hashsize 64\nadd a 10.0.0.0/24\nadd a 10.2.0.0/22\n",
	"gone":    "create a hash:ip\ncreate b hash:ip\nadd a 10.0.0.1\nflush\ndestroy a\ncreate c hash:ip\ndestroy\ncreate d hash:ip\n",
}

func TestKernel(t *testing.T) {
	for name, source := range kernelCases {
		t.Run(name, func(t *testing.T) { checkKernel(t, name, []byte(source)) })
	}
}

func TestParse(t *testing.T) {
	sets, err := ipset.Parse("x", []byte(`create l list:set
create m hash:mac
add m 1:2:3:4:5:a
create z hash:ip,mark markmask 0xff00 initval 0x12345678
add z 10.0.0.2,0x1234
create n hash:net,port,net hashsize 4096
add n 10.0.0.0/8,80,10.0.0.0-10.0.0.2 nomatch
add n 9.0.0.0/8,80,10.0.0.1
add l z
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []ruleset.Set{
		{Name: "m", Type: "hash:mac", Options: "hashsize 1024 maxelem 65536", Line: 2, Members: []string{"01:02:03:04:05:0A"}},
		{Name: "n", Type: "hash:net,port,net", Options: "family inet hashsize 4096 maxelem 65536", Line: 6,
			Members: []string{"9.0.0.0/8,tcp:80,10.0.0.1", "10.0.0.0/8,tcp:80,10.0.0.0/31 nomatch", "10.0.0.0/8,tcp:80,10.0.0.2 nomatch"}},
		{Name: "z", Type: "hash:ip,mark", Options: "family inet markmask 0x0000ff00 hashsize 1024 maxelem 65536", Line: 4,
			Members: []string{"10.0.0.2,0x00001200"}},
		{Name: "l", Type: "list:set", Options: "size 8", Line: 1, Members: []string{"z"}},
	}
	if diff := cmp.Diff(want, sets); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"add a 1.2.3.4":                                           `there is no set "a"`,
		"create a hash:ip\ncreate a hash:ip":                      "exists already",
		"create a hash:frob":                                      `set type "hash:frob" is not known`,
		"create a hash:ip\nadd a host.example":                    "is no address",
		"create a hash:ip\nadd a ::1":                             "other address family",
		"create a hash:ip\nadd a 1.2.3.4\nadd a 1.2.3.4":          "is in set a already",
		"create a hash:ip\ndel a 1.2.3.4":                         "is not in set a",
		"create a hash:ip\nadd a 0.0.0.0/1":                       "more than 65536",
		"create a hash:ip maxelem 1\nadd a 1.1.1.1-1.1.1.2":       "set a is full",
		"create a hash:ip\nadd a 1.1.1.1 timeout 5":               "without timeout",
		"create a hash:ip\nadd a 1.1.1.1 frob 5":                  `no option "frob"`,
		"create a hash:ip frob 5":                                 `no option "frob"`,
		"create a hash:ip\nadd a 1.1.1.1 comment \"x":             "missing closing quote",
		"create a bitmap:port range 1-5\nadd a 6":                 "outside of the set's range",
		"create a bitmap:ip range 10.0.0.0/8":                     "more than 65536",
		"create a bitmap:ip":                                      "needs a range",
		"create a hash:ip,port\nadd a 1.1.1.1,tcp:http":           "no port number",
		"create a hash:ip,port\nadd a 1.1.1.1":                    "has 2 parts, not 1",
		"create a hash:ip,port\nadd a 1.1.1.1,1-65535":            "",
		"create a hash:ip,port\nadd a 1.1.1.1-1.1.1.2,0-65535":    "more than 65536",
		"create a list:set\nadd a b":                              `there is no set "b"`,
		"create a list:set\ncreate b list:set\nadd a b":           "cannot be a member",
		"create a hash:ip\ncreate l list:set\nadd l a\ndestroy a": "in use by list l",
		"create a hash:ip\ncreate b hash:net\nswap a b":           "different types",
		"create a hash:ip\nrename a " + strings.Repeat("x", 32):   "1 to 31 bytes",
		"create":                            "wrong number of arguments",
		"save":                              "no command of ipset restore",
		"create a\x00b hash:ip":             "NUL",
		"create a hash:ip timeout 99999999": "larger than 2147483",
		"create a hash:ip netmask 33":       "outside of 1 to 32",
		"# " + strings.Repeat("x", 2000):    "",
		"create a hash:ip " + strings.Repeat(" ", 2000): "ipset restore reads 1023",
	} {
		sets, err := ipset.Parse("f", []byte(text))
		if want == "" {
			if err != nil {
				t.Errorf("%.60q: %v", text, err)
			}
			continue
		}
		var se *ruleset.SyntaxError
		if !errors.As(err, &se) || !strings.Contains(se.Msg, want) || se.File != "f" || se.Line != strings.Count(text, "\n")+1 {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
		if sets != nil {
			t.Errorf("%.60q: sets beside an error", text)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, test := range []struct{ remaining, def, want uint32 }{
		{0, 100, 0}, {100, 100, 100}, {97, 100, 100}, {60, 100, 60}, {58, 100, 60}, {3597, 3600, 3600}, {597, 3600, 600},
		{86400, 3600, 86400}, {86397, 0, 86400}, {1, 0, 5}, {2147483, 0, 2147483}, {2147000, 0, 2147483}, {4, 5, 5}, {3, 3, 3},
	} {
		if got := ipset.Timeout(test.remaining, test.def); got != test.want {
			t.Errorf("Timeout(%d, %d) = %d, want %d", test.remaining, test.def, got, test.want)
		}
	}
	for range 100000 {
		def, r := rand.Uint32N(100000), rand.Uint32N(2147484)
		c := ipset.Timeout(r, def)
		if ipset.Timeout(c, def) != c || r > 0 && c < r || c > 2147483 {
			t.Fatalf("Timeout(%d, %d) = %d, then %d", r, def, c, ipset.Timeout(c, def))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, source := range kernelCases {
		f.Add([]byte(source))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sets, err := ipset.Parse("x", text)
		if err != nil {
			return
		}
		out := ipset.Format(sets)
		again, err := ipset.Parse("y", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out2 := ipset.Format(again); string(out2) != string(out) {
			t.Fatalf("no fixed point: %s", cmp.Diff(string(out), string(out2)))
		}
	})
}

// members returns a dump of one set with n members in random order.
func members(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	fmt.Fprintf(&b, "create s hash:net family inet hashsize 1024 maxelem %d\n", n)
	for _, i := range r.Perm(n) {
		fmt.Fprintf(&b, "add s %d.%d.%d.0/24\n", 1+i>>16&0x7f, i>>8&0xff, i&0xff)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		text := members(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := ipset.Parse("x", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCost holds 100,000 members to a second, where it needs a sixth, both ways.
func TestCost(t *testing.T) {
	text := members(100000)
	best := time.Hour
	for range 3 {
		start := time.Now()
		sets, err := ipset.Parse("x", text)
		if err != nil {
			t.Fatal(err)
		}
		ipset.Format(sets)
		best = min(best, time.Since(start))
	}
	t.Logf("100,000 members parsed and formatted in %v", best)
	if best > time.Second {
		t.Errorf("%v", best)
	}
}
