package netns_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/fwc-dev/fwc/internal/netns"
)

func TestMain(m *testing.M) {
	netns.Register("look", func() int {
		out := os.NewFile(3, "out")
		ids, _ := os.ReadFile("/proc/self/uid_map")
		dev, _ := os.ReadFile("/proc/self/net/dev")
		_, _ = io.WriteString(out, strings.Join(strings.Fields(string(ids)), " "))
		if os.Getpid() != 1 || os.Getuid() != 0 || strings.Contains(string(dev), "eth0") {
			return 1
		}
		return 7
	})
	netns.Main()
	os.Exit(m.Run())
}

func TestStart(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := netns.Start("look", netns.StartOptions{Files: []*os.File{w}})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := p.Wait()
	if err != nil || ps.ExitCode() != 7 {
		t.Errorf("the stage ended with %v, %v", ps, err)
	}
	if os.Geteuid() == 0 && string(text) != "0 1879048192 65536" && !strings.HasSuffix(string(text), " 1") {
		t.Errorf("id map %q", text)
	}
}
