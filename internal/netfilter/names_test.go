package netfilter_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// nftJSON loads objects as nft's JSON, which takes any bytes for a name.
func nftJSON(t *testing.T, objects ...string) {
	cmd := exec.Command("nft", "-j", "-f", "-")
	cmd.Stdin = strings.NewReader(`{"nftables": [{"add": ` + strings.Join(objects, `}, {"add": `) + `}]}`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The kernel holds names and strings that would be commands in a dump. None
// may pass a capture, and the error says which it is.
func TestHostileNames(t *testing.T) {
	table := func(name string) string { return fmt.Sprintf(`{"table": {"family": "inet", "name": %q}}`, name) }
	chain := func(name string) string {
		return fmt.Sprintf(`{"chain": {"family": "inet", "table": "t", "name": %q}}`, name)
	}
	rule := func(rest string) string {
		return `{"rule": {"family": "inet", "table": "t", "chain": "c", ` + rest + `}}`
	}
	for name, tt := range map[string]struct {
		objects []string // of nft's JSON
		script  string
		want    string
		inDump  bool // found by the dump's reader
	}{
		"table, command":   {objects: []string{table("x; flush ruleset")}, want: `table inet "x; flush ruleset"`},
		"table, line":      {objects: []string{table("a\nadd table ip b")}, want: `table inet "a\nadd table ip b"`},
		"table, option":    {objects: []string{table("-f")}, want: `table inet "-f"`},
		"table, quotes":    {objects: []string{table(`"a"`)}, want: `table inet "\"a\""`},
		"chain":            {objects: []string{table("t"), chain("c }; flush")}, want: `chain "c }; flush"`, inDump: true},
		"chain, line":      {objects: []string{table("t"), chain("c {\n\t}\n}")}, want: `chain "c {\n\t}\n}"`, inDump: true},
		"set":              {objects: []string{table("t"), `{"set": {"family": "inet", "table": "t", "name": "a b", "type": "ipv4_addr"}}`}, want: `set "a b"`, inDump: true},
		"jump":             {objects: []string{table("t"), chain("c"), chain("d e"), rule(`"expr": [{"jump": {"target": "d e"}}]`)}, want: `"d e"`, inDump: true},
		"comment":          {objects: []string{table("t"), chain("c"), rule(`"comment": "a\" drop", "expr": [{"accept": null}]`)}, want: "holds", inDump: true},
		"prefix":           {objects: []string{table("t"), chain("c"), rule(`"expr": [{"log": {"prefix": "a\"\n}\n"}}]`)}, want: "holds", inDump: true},
		"beside iptables'": {script: "iptables-nft -A INPUT -j ACCEPT", objects: []string{table("x; flush ruleset")}, want: `"x; flush ruleset"`},
		"iptables' chain": {script: "iptables-nft -A INPUT -j ACCEPT",
			objects: []string{`{"chain": {"family": "ip", "table": "filter", "name": "x - [0:0]\n-A INPUT -j DROP"}}`},
			want:    `chain of table ip filter "x - [0:0]\n-A INPUT -j DROP"`},
		"iptables' chain, option": {script: "ip6tables-nft -A INPUT -j ACCEPT",
			objects: []string{`{"chain": {"family": "ip6", "table": "filter", "name": "--modprobe=x"}}`}, want: `"--modprobe=x"`},
		"ipset, dash":  {script: "ipset create -x hash:ip", want: `ipset "-x"`},
		"ipset, space": {script: `ipset create "a b" hash:ip`, want: `ipset "a b"`},
		"ipset, line":  {script: "ipset create 'a\nflush' hash:ip", want: `ipset "a\nflush"`},
	} {
		t.Run(name, func(t *testing.T) {
			inside(t, func() {
				sh(t, tt.script)
				if tt.objects != nil {
					nftJSON(t, tt.objects...)
				}
				_, err := netfilter.Capture(context.Background(), netfilter.Scope{})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
					return
				}
				t.Log(err)
				var ne *netfilter.NameError
				var se *ruleset.SyntaxError
				if tt.inDump != errors.As(err, &se) || tt.inDump == errors.As(err, &ne) {
					t.Errorf("got a %T", err)
				}
			})
		})
	}
}

// Native tables are listed alike whether iptables has tables or not, in their
// order.
func TestNativeBesideIPTables(t *testing.T) {
	const native = `nft 'add table inet b; add chain inet b c { type filter hook input priority 0; }; add rule inet b c tcp dport 22 accept
		add table ip a { comment "why"; }; add chain ip a c { type filter hook input priority 0; }; add set ip a s { type ipv4_addr; flags dynamic; }'`
	capture := func(script string) (out string) {
		inside(t, func() {
			sh(t, script)
			s, err := netfilter.Capture(context.Background(), netfilter.Scope{})
			if err != nil {
				t.Error(err)
				return
			}
			out = string(s.Dump(ruleset.NFTables, ruleset.NFT).Text)
		})
		return out
	}
	alone, beside := capture(native), capture(native+"\niptables-nft -A INPUT -j ACCEPT")
	if alone != beside || !strings.Contains(alone, `"why"`) || !strings.Contains(alone, "dynamic") ||
		strings.Index(alone, `"name": "b"`) > strings.Index(alone, `"name": "a"`) {
		t.Errorf("alone\n%s\nbeside\n%s", alone, beside)
	}
}

// A key must name a file below /proc/sys/net and one line of a dump.
func TestHostileSysctls(t *testing.T) {
	inside(t, func() {
		for _, key := range []string{"", "net", "net.", "net..x", "kernel.hostname", "net.//.//.kernel.hostname",
			"net.ipv4.//.//.kernel.hostname", "/net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4.ip_forward\nnet.x",
			"net.ipv4.a b", "net.ipv4.conf.a=b.forwarding", "net.ipv4.conf.a\x1b.forwarding", "net.ipv4.conf.*.forwarding",
			"-net.ipv4.ip_forward"} {
			err := netfilter.SetSysctls([]ruleset.Sysctl{{Key: key, Value: "1"}})
			if err == nil || !strings.Contains(err.Error(), "is no key below net") {
				t.Errorf("%q: %v", key, err)
			}
			if _, err := netfilter.CaptureRaw(context.Background(), netfilter.Scope{Sysctls: []string{key}}); err == nil {
				t.Errorf("%q: captured", key)
			}
		}
		for _, value := range []string{"1\n0", "1\x00", "1\r"} {
			if err := netfilter.SetSysctls([]ruleset.Sysctl{{Key: "net.ipv4.ip_forward", Value: value}}); err == nil {
				t.Errorf("value %q is written", value)
			}
		}
		// A link could lead out of the directory: procfs has none there.
		n := 0
		err := filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
			if n++; err == nil && d.Type()&fs.ModeSymlink != 0 {
				t.Errorf("%s is a link", path)
			}
			return nil // interfaces come and go
		})
		if err != nil || n < 100 {
			t.Errorf("%d files below /proc/sys/net: %v", n, err)
		}
	})
}
