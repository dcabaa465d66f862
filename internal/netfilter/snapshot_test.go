package netfilter_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fwc-dev/fwc/internal/netfilter"
)

func TestCaptureAndRestore(t *testing.T) {
	ctx := context.Background()
	scope := netfilter.Scope{Sysctls: []string{"net.ipv4.ip_forward", "net.ipv4.nonesuch"}}
	inside(t, func() {
		sh(t, everything)
		a, err := netfilter.Capture(ctx, scope)
		if err != nil {
			t.Error(err)
			return
		}
		inside(t, func() {
			if err := netfilter.Load(ctx, a); err != nil {
				t.Error(err)
				return
			}
			b, err := netfilter.Capture(ctx, scope)
			if err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(text(a.Dumps), text(b.Dumps)); diff != "" {
				t.Errorf("loaded state differs (-source +loaded):\n%s", diff)
			}
		})
	})
}
