package apply

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestLockdownGoesOn: a way that hangs takes no other's time.
func TestLockdownGoesOn(t *testing.T) {
	hangs := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	works := func(ctx context.Context) error { return ctx.Err() }
	by, err := firstWay(t.Context(), 10*time.Millisecond, []way{{"one", hangs}, {"two", hangs}, {"three", works}})
	if by != "three" || err != nil {
		t.Errorf("by %q, %v", by, err)
	}
	by, err = firstWay(t.Context(), 10*time.Millisecond, []way{{"one", hangs}})
	if by != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("by %q, %v", by, err)
	}
}
