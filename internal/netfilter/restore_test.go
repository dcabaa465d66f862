package netfilter_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

func xt(kind ruleset.Kind, backend ruleset.Backend, text string) ruleset.Dump {
	return ruleset.Dump{Kind: kind, Backend: backend, Text: []byte(text)}
}

// The line that a program complains of must be that of the rule.
func TestRestoreNamesTheLine(t *testing.T) {
	const head = "*filter\n:INPUT ACCEPT [0:0]\n"
	for _, tt := range []struct {
		name string
		dump ruleset.Dump
		line int
		text string
		msg  string
	}{
		{"match nft", xt(ruleset.IPTables, ruleset.NFT, head+"-A INPUT -j ACCEPT\n-A INPUT -m foo -j DROP\nCOMMIT\n"),
			4, "-A INPUT -m foo -j DROP", "load match `foo'"},
		{"match legacy", xt(ruleset.IPTables, ruleset.Legacy, head+"-A INPUT -j ACCEPT\n-A INPUT -m foo -j DROP\nCOMMIT\n"),
			4, "-A INPUT -m foo -j DROP", "load match `foo'"},
		{"option", xt(ruleset.IP6Tables, ruleset.NFT, head+"-A INPUT --zork -j DROP\nCOMMIT\n"),
			3, "-A INPUT --zork -j DROP", `unknown option "--zork"`},
		{"missing chain", xt(ruleset.IPTables, ruleset.NFT, head+"-A INPUT -j NOPE\n-A INPUT -j ACCEPT\nCOMMIT\n"),
			3, "-A INPUT -j NOPE", "Chain 'NOPE' does not exist"},
		{"missing target legacy", xt(ruleset.IPTables, ruleset.Legacy, head+"-A INPUT -j NOPE\n-A INPUT -j ACCEPT\nCOMMIT\n"),
			3, "-A INPUT -j NOPE", "load target `NOPE'"},
		{"kernel says no", xt(ruleset.IPTables, ruleset.NFT, head+"-A INPUT -j ACCEPT\n-A INPUT -j MASQUERADE\nCOMMIT\n"),
			4, "-A INPUT -j MASQUERADE", "RULE_APPEND failed"},
		{"kernel says no, legacy", xt(ruleset.IPTables, ruleset.Legacy, head+"-A INPUT -j ACCEPT\n-A INPUT -j MASQUERADE\nCOMMIT\n"),
			5, "COMMIT", "line 5 failed"},
		{"missing set", xt(ruleset.IPTables, ruleset.NFT, head+"-A INPUT -m set --match-set x src -j ACCEPT\nCOMMIT\n"),
			3, "-A INPUT -m set --match-set x src -j ACCEPT", "Set x doesn't exist"},
		{"arptables", xt(ruleset.ARPTables, ruleset.NFT, "*filter\n:INPUT ACCEPT\n-A INPUT --zork\n"), 3, "-A INPUT --zork", "unknown option"},
		{"arptables legacy", xt(ruleset.ARPTables, ruleset.Legacy, "*filter\n:INPUT ACCEPT\n-A INPUT -j NOPE\n"), 3, "-A INPUT -j NOPE",
			"find target `NOPE'"},
		{"ebtables", xt(ruleset.EBTables, ruleset.NFT, "*filter\n:INPUT ACCEPT\n-A INPUT -j NOPE\n"), 3, "-A INPUT -j NOPE", "NOPE"},
		{"ipset", ruleset.Dump{Kind: ruleset.IPSet, Text: []byte("create a hash:ip\nadd a 192.0.2.1\nadd a zork\n")},
			3, "add a zork", "cannot parse zork"},
		{"nft", xt(ruleset.NFTables, ruleset.NFT, `{"nftables":[{"table":{"family":"ip","name":"t"}},`+
			`{"chain":{"family":"ip","table":"t","name":"c"}},`+
			`{"rule":{"family":"ip","table":"t","chain":"c","expr":[{"jump":{"target":"x"}}]}}]}`), 0, "add rule ip t c jump x",
			"No such file or directory"},
		{"nft, commands", xt(ruleset.NFTables, ruleset.NFT,
			`{"nftables":[{"add":{"chain":{"family":"ip","table":"y","name":"x"}}}]}`), 1, "", "add: family is missing"},
		{"nft, not JSON", xt(ruleset.NFTables, ruleset.NFT, "{"), 1, "", "the JSON text ends too early"},
		{"nft, text", xt(ruleset.NFTables, ruleset.NFT, "table ip t {\n}\n"), 1, "", "invalid character"},
		{"nft, odd name", xt(ruleset.NFTables, ruleset.NFT, "{\"nftables\": [\n"+`{"table":{"family":"ip","name":"x; flush ruleset"}}]}`),
			2, "", `table ip "x; flush ruleset": the name`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inside(t, func() {
				err := netfilter.Restore(context.Background(), tt.dump, netfilter.RestoreOptions{})
				var le *netfilter.LoadError
				if !errors.As(err, &le) {
					t.Errorf("got %v, want a LoadError", err)
					return
				}
				t.Log(le)
				if le.Dump != tt.dump.Name() || le.Line != tt.line || le.Text != tt.text || !strings.Contains(le.Msg, tt.msg) {
					t.Errorf("got %q line %d %q: %q; want line %d %q: %q", le.Dump, le.Line, le.Text, le.Msg, tt.line, tt.text, tt.msg)
				}
			})
		})
	}
}

func TestLocked(t *testing.T) {
	inside(t, func() {
		holder := exec.Command("flock", "/run/xtables.lock", "sleep", "30")
		if err := holder.Start(); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = holder.Process.Kill(); _ = holder.Wait() }()
		time.Sleep(200 * time.Millisecond) // until flock has it
		d := xt(ruleset.IPTables, ruleset.Legacy, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
		err := netfilter.Restore(context.Background(), d, netfilter.RestoreOptions{Wait: time.Second})
		if !errors.Is(err, netfilter.ErrLocked) {
			t.Errorf("got %v, want ErrLocked", err)
		}
	})
}

func TestArptablesLegacy(t *testing.T) {
	ctx := context.Background()
	const want = "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\n:FORWARD ACCEPT\n:own -\n" +
		"-A INPUT -j own -i eth0 -s 192.0.2.4 --src-mac 00:11:22:33:44:55 --opcode 1\n" +
		"-A OUTPUT -j mangle --mangle-ip-s 192.0.2.4\n-A own -j RETURN\n"
	inside(t, func() {
		sh(t, "arptables-legacy -A INPUT -j DROP; arptables-legacy -N old")
		if err := netfilter.Restore(ctx, xt(ruleset.ARPTables, ruleset.Legacy, want), netfilter.RestoreOptions{}); err != nil {
			t.Error(err)
			return
		}
		dumps, err := netfilter.CaptureRaw(ctx, netfilter.Scope{})
		if err != nil {
			t.Error(err)
			return
		}
		if diff := cmp.Diff(map[string]string{"arptables-legacy.rules": want}, text(dumps)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestSetSysctls(t *testing.T) {
	inside(t, func() {
		err := netfilter.SetSysctls([]ruleset.Sysctl{
			{Key: "net.ipv4.conf.all.accept_redirects", Value: "1"}, // forwarding resets it
			{Key: "net.ipv4.ip_forward", Value: "1"},
			{Key: "net.ipv4.ip_local_port_range", Value: "2000 3000"},
		})
		if err != nil {
			t.Error(err)
		}
		got := sh(t, "cd /proc/sys/net/ipv4; cat ip_forward conf/all/accept_redirects ip_local_port_range")
		if want := "1\n1\n2000\t3000\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, s := range []ruleset.Sysctl{
			{Key: "net.ipv4.nonesuch", Value: "1"},
			{Key: "net.ipv4.ip_forward", Value: "x"},
			{Key: "kernel.hostname", Value: "x"},
			{Key: "net.//.//.kernel.hostname", Value: "x"},
		} {
			var le *netfilter.LoadError
			if err := netfilter.SetSysctls([]ruleset.Sysctl{s}); !errors.As(err, &le) || !strings.Contains(le.Error(), s.Key) {
				t.Errorf("%s: got %v, want a LoadError that names the key", s.Key, err)
			}
		}
	})
}

// The legacy backend says only that a table is refused; Load finds the rule.
func TestLoadFindsRefusedRule(t *testing.T) {
	var b strings.Builder
	b.WriteString("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n")
	for range 100 {
		b.WriteString("-A INPUT -s 192.0.2.1/32 -j ACCEPT\n")
	}
	b.WriteString("-A INPUT -j MASQUERADE\n-A INPUT -j ACCEPT\nCOMMIT\n")
	inside(t, func() {
		s := ruleset.New([]ruleset.Dump{xt(ruleset.IPTables, ruleset.Legacy, b.String())}, nil, nil, nil)
		var le *netfilter.LoadError
		err := netfilter.Load(context.Background(), s)
		if !errors.As(err, &le) || le.Line != 106 || le.Text != "-A INPUT -j MASQUERADE" {
			t.Errorf("got %v, want line 106", err)
		}
	})
}
