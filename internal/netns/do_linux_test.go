package netns_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
)

func TestDoIsolates(t *testing.T) {
	err := netns.Do(func() error {
		out, err := exec.Command("sh", "-ec", "ls -A /run; cat /proc/net/dev; ping -V >/dev/null 2>&1 || :; ip -o link show lo").CombinedOutput()
		if err != nil {
			return err
		}
		text := string(out)
		if strings.Contains(text, "eth0") || !strings.Contains(text, "lo:") || !strings.Contains(text, "UP") {
			t.Errorf("not a fresh namespace with lo up:\n%s", text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
