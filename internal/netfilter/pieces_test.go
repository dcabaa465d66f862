package netfilter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
)

// inUserNamespace is set in the copy of the test that runs as an ordinary
// user in namespaces of its own.
const inUserNamespace = "FWC_TEST_USER_NAMESPACE"

// A user namespace may not enlarge a socket's buffer, and the tools send a
// table as one message.
func TestLoadInUserNamespace(t *testing.T) {
	if os.Getenv(inUserNamespace) != "" {
		loadMuch(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoadInUserNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), inUserNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func loadMuch(t *testing.T) {
	ctx := context.Background()
	many := string(manyRules(3000)) + "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
	var objects []string
	for _, c := range []string{`"table":{"family":"inet","name":"t"}`, `"chain":{"family":"inet","table":"t","name":"c"}`} {
		objects = append(objects, `{`+c+`}`)
	}
	for i := range 3000 {
		objects = append(objects, fmt.Sprintf(`{"rule":{"family":"inet","table":"t","chain":"c","expr":[`+
			`{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"10.0.%d.%d"}},{"drop":null}]}}`, i/250, i%250))
	}
	load := func(xtables string) error {
		return netfilter.Load(ctx, ruleset.New([]ruleset.Dump{
			xt(ruleset.IPTables, ruleset.NFT, xtables),
			xt(ruleset.NFTables, ruleset.NFT, `{"nftables":[`+strings.Join(objects, ",")+`]}`),
		}, nil, nil, nil))
	}
	inside(t, func() {
		if err := load(many); err != nil {
			t.Error(err)
			return
		}
		s, err := netfilter.Capture(ctx, netfilter.Scope{})
		if err != nil {
			t.Error(err)
			return
		}
		if n := len(s.Table(ruleset.NFT, ruleset.IPv4, "filter").Chain("MANY").Rules); n != 3000 {
			t.Errorf("%d rules of iptables", n)
		}
		if s.Table(ruleset.NFT, ruleset.IPv4, "nat") == nil {
			t.Error("the table after the long one is missing")
		}
		if n := len(s.Table(ruleset.NFT, ruleset.Inet, "t").Chain("c").Rules); n != 3000 {
			t.Errorf("%d rules of nft", n)
		}
	})
	inside(t, func() {
		bad := strings.Replace(many, "-A MANY -s 10.0.10.0/32", "-A MANY -m foo -s 10.0.10.0/32", 1)
		var le *netfilter.LoadError
		if err := load(bad); !errors.As(err, &le) || !strings.Contains(le.Text, "-m foo") ||
			strings.Split(bad, "\n")[le.Line-1] != le.Text {
			t.Errorf("got %v, want the line with -m foo", err)
		}
	})
}
